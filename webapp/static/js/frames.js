/**
 * Where pictures come from. A committed step is immutable: its frames are fetched once, lossless, as one strip and kept
 * as an ImageBitmap in a cache with a byte budget. Frames of a running step come by WebSocket and stand in until then.
 */

import { framesPerStep, locate, lineage, totalFrames } from "./lineage.js";
import { state } from "./store.js";

/**
 * @typedef {{image: ImageBitmap, x: number, y: number, w: number, h: number, live?: LiveFrame}} Picture
 * @typedef {{bitmap: ImageBitmap, sent: number, drawn: boolean}} LiveFrame  `sent`: the server's stamp, ms since the epoch
 */

const BUDGET_BYTES = 384e6;
const PARALLEL = 6;
const RETRY_MS = [300, 800, 2000, 4000];

/** @type {Map<string, {bitmap: ImageBitmap|null, count: number, failed: boolean, tries: number}>} in order of use */
const strips = new Map();
/** @type {Map<string, Map<number, LiveFrame>>} by session and frame number */
const live = new Map();
const queue = [];
let running = 0;
let usedBytes = 0;
let onLoad = () => {};

/** Be told when a picture arrived. */
export function onPicture(fn) {
  onLoad = fn;
}

/**
 * The picture of a pane at a video frame: a `Picture`, "loading", or "missing" (could not be had).
 * @param {import("./types.js").Pane} pane
 * @param {number} frame
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
  if (strip.bitmap) return cut(strip, place.index);
  const standIn = liveAt(pane, wanted, wanted);
  if (standIn) return whole(standIn);
  return strip.failed ? "missing" : "loading";
}

/** The live frame at `frame`, or the nearest before it not earlier than `from` (a slow viewer is not sent all). */
function liveAt(pane, frame, from) {
  const fresh = pane.follows ? live.get(pane.sessionId) : null;
  if (!fresh?.size) return null;
  for (let at = frame; at >= from; at -= 1) if (fresh.has(at)) return fresh.get(at);
  return null;
}

/** Frames a pane has to show, those of a running step included. */
export function paneTotal(pane) {
  const committed = totalFrames(pane.nodeId);
  const fresh = pane.follows ? live.get(pane.sessionId) : null;
  return fresh?.size ? Math.max(committed, Math.max(...fresh.keys()) + 1) : committed;
}

/** Ask for the pictures around a frame before they are due. */
export function prefetch(pane, frame, stepsAhead = 6) {
  const path = lineage(pane.nodeId);
  const first = Math.ceil(frame / framesPerStep());
  for (const node of path.slice(first, first + stepsAhead)) need(node);
}

/** A frame of a running step arrived. */
export function putLive(sessionId, frame, bitmap, sent) {
  if (!live.has(sessionId)) live.set(sessionId, new Map());
  const frames = live.get(sessionId);
  frames.get(frame)?.bitmap.close();
  frames.set(frame, { bitmap, sent, drawn: false });
  onLoad();
}

/** Drop live frames from `first` on (their step failed, or the session moved elsewhere). */
export function dropLive(sessionId, first = 0) {
  const frames = live.get(sessionId);
  if (!frames) return;
  for (const [number, { bitmap }] of frames) {
    if (number < first) continue;
    bitmap.close();
    frames.delete(number);
  }
}

/** Bytes of decoded pictures held now. */
export function heldBytes() {
  return usedBytes;
}

function whole(frame) {
  const { bitmap } = frame;
  return { image: bitmap, x: 0, y: 0, w: bitmap.width, h: bitmap.height, live: frame };
}

function cut(strip, index) {
  const height = strip.bitmap.height / strip.count;
  return { image: strip.bitmap, x: 0, y: Math.min(index, strip.count - 1) * height, w: strip.bitmap.width, h: height };
}

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
    load(queue.shift()).finally(() => {
      running -= 1;
      pump();
    });
  }
}

async function load(id) {
  const strip = strips.get(id);
  if (!strip) return;
  try {
    const response = await fetch(`/api/checkpoints/${id}/frames`);
    if (!response.ok) throw new Error(String(response.status));
    strip.bitmap = await createImageBitmap(await response.blob());
    strip.failed = false;
    usedBytes += size(strip);
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
  onLoad();
}

function size(strip) {
  return strip.bitmap ? strip.bitmap.width * strip.bitmap.height * 4 : 0;
}

function evict() {
  for (const [id, strip] of strips) {
    if (usedBytes <= BUDGET_BYTES) return;
    if (!strip.bitmap) continue;
    usedBytes -= size(strip);
    strip.bitmap.close();
    strips.delete(id);
  }
}

/** Live frames whose lossless strip is here are not needed any more. */
function dropShadowed() {
  for (const pane of state.panes) {
    const frames = live.get(pane.sessionId);
    if (!frames) continue;
    for (const [number, { bitmap }] of frames) {
      const place = number < totalFrames(pane.nodeId) ? locate(pane.nodeId, number) : null;
      if (!place || !strips.get(place.node.id)?.bitmap) continue;
      bitmap.close();
      frames.delete(number);
    }
  }
}

/** Try again to load what failed (the server is back). */
export function retryMissing() {
  for (const [id, strip] of strips) if (strip.failed && !strip.bitmap) strips.delete(id);
  onLoad();
}
