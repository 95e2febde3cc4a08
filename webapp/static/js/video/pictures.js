/**
 * Where pictures come from. A committed step is immutable: its frames are fetched once, lossless, as one strip and kept
 * as an ImageBitmap in a cache with a byte budget. Live frames stand in until then.
 */

import { here } from "../state/address.js";
import { stepOf } from "../state/frames.js";
import { framesPerStep, locate, lineage, totalFrames } from "../state/lineage.js";
import { dropLive, liveAt } from "../state/live.js";
import { emit, state } from "../state/store.js";

/**
 * @import { LiveFrame } from "../state/live.js"
 * @import { Node, Pane } from "../state/types.js"
 * @typedef {{image: ImageBitmap, x: number, y: number, w: number, h: number, live?: LiveFrame}} Picture  a part of an image
 * @typedef {{bitmap: ImageBitmap|null, count: number, failed: boolean, tries: number}} Strip
 */

const BUDGET_BYTES = 384e6;
const PARALLEL = 6;
const RETRY_MS = [300, 800, 2000, 4000];

/** @type {Map<string, Strip>} in order of use */
const strips = new Map();
/** @type {string[]} */
const queue = [];
let running = 0;
let usedBytes = 0;

/**
 * The picture of a pane at a video frame: a `Picture`, "loading", or "missing" (could not be had).
 * @param {Pane} pane @param {number} frame
 * @returns {Picture|"loading"|"missing"}
 */
export function pictureOf(pane, frame) {
  const committed = totalFrames(pane.nodeId);
  const fresh = frame >= committed ? liveAt(pane, frame, committed) : null;
  if (fresh) return whole(fresh);
  const wanted = Math.min(frame, committed - 1);
  const place = locate(pane.nodeId, wanted);
  if (!place) return "loading";
  const strip = need(place.node);
  if (strip.bitmap) return cut(strip.bitmap, strip.count, place.index);
  const standIn = liveAt(pane, wanted, wanted);
  if (standIn) return whole(standIn);
  return strip.failed ? "missing" : "loading";
}

/** Ask for the pictures around a frame before they are due. @param {Pane} pane @param {number} frame */
export function prefetch(pane, frame, stepsAhead = 6) {
  const path = lineage(pane.nodeId);
  const first = stepOf(frame, framesPerStep());
  for (const node of path.slice(first, first + stepsAhead)) need(node);
}

/** Bytes of decoded pictures held now. */
export function heldBytes() {
  return usedBytes;
}

/** @param {LiveFrame} frame */
function whole(frame) {
  const { bitmap } = frame;
  return { image: bitmap, x: 0, y: 0, w: bitmap.width, h: bitmap.height, live: frame };
}

/** One of the frames of a strip. @param {ImageBitmap} image @param {number} count @param {number} index */
function cut(image, count, index) {
  const height = image.height / count;
  return { image, x: 0, y: Math.min(index, count - 1) * height, w: image.width, h: height };
}

/** A node's strip; it is asked for if it is not here. @param {Node} node @returns {Strip} */
function need(node) {
  let strip = strips.get(node.id);
  if (strip) {
    strips.delete(node.id); // move to the end: most recently used
    strips.set(node.id, strip);
    return strip;
  }
  strip = { bitmap: null, count: node.n_frames || (node.parent ? framesPerStep() : 1), failed: false, tries: 0 };
  strips.set(node.id, strip);
  queue.push(node.id);
  pump();
  return strip;
}

function pump() {
  while (running < PARALLEL && queue.length) {
    running += 1;
    load(queue.shift() ?? "").finally(() => {
      running -= 1;
      pump();
    });
  }
}

/** @param {string} id */
async function load(id) {
  const strip = strips.get(id);
  if (!strip || strip.bitmap) return;
  try {
    const response = await fetch(here(`/api/checkpoints/${id}/frames`));
    if (!response.ok) throw new Error(String(response.status));
    strip.bitmap = await createImageBitmap(await response.blob());
    strip.failed = false;
    usedBytes += size(strip.bitmap);
    evict();
    dropShadowed();
  } catch {
    strip.failed = strip.tries >= RETRY_MS.length - 1;
    const wait = RETRY_MS[Math.min(strip.tries, RETRY_MS.length - 1)];
    strip.tries += 1;
    if (strip.tries <= RETRY_MS.length) {
      setTimeout(() => {
        queue.push(id);
        pump();
      }, wait);
    }
  }
  emit("picture");
}

/** Bytes of a decoded picture. @param {ImageBitmap} bitmap */
function size(bitmap) {
  return bitmap.width * bitmap.height * 4;
}

function evict() {
  for (const [id, strip] of strips) {
    if (usedBytes <= BUDGET_BYTES) return;
    if (!strip.bitmap) continue;
    usedBytes -= size(strip.bitmap);
    strip.bitmap.close();
    strips.delete(id);
  }
}

/** Live frames whose lossless strip is here are not needed any more. */
function dropShadowed() {
  for (const { nodeId, sessionId } of state.panes) {
    const committed = totalFrames(nodeId);
    dropLive(sessionId, (frame) => frame < committed && Boolean(strips.get(locate(nodeId, frame)?.node.id ?? "")?.bitmap));
  }
}

/** Try again to load what failed (the server is back). */
export function retryMissing() {
  for (const [id, strip] of strips) if (strip.failed && !strip.bitmap) strips.delete(id);
  emit("picture");
}
