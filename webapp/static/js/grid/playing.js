/** Branches that play in the grid: the one under the pointer, or all that are in view, in step. */

import { reducedMotion } from "../state/clock.js";
import { fps, totalFrames } from "../state/lineage.js";
import { state } from "../state/store.js";
import { context, keepFitted, paint } from "../video/draw.js";
import { pictureOf, prefetch } from "../video/pictures.js";
import { h } from "../ui/dom.js";

/** @import { Node } from "../state/types.js" */

const STEPS_AHEAD = 2;
/** @typedef {{slot: Element, canvas: HTMLCanvasElement, drawn: number}} Entry */
/** @type {Map<string, Entry>} cards that play, by their leaf */
const playing = new Map();
let at = 0; // frames, with the part of one that has passed
let from = 0;
let to = 1;
let before = 0;
let scheduled = false;

/** Begin anew at this frame, up to the end of these branches. @param {number} first @param {Node[]} nodes */
export function restart(first, nodes) {
  from = first;
  to = Math.max(first + 1, ...nodes.map((node) => totalFrames(node.id)));
  at = first;
}

/** Play on up to the end of these, without beginning anew: branches came, or grew. @param {Node[]} nodes */
export function extend(nodes) {
  to = Math.max(from + 1, ...nodes.map((node) => totalFrames(node.id)));
}

/** A card plays from now on. @param {Element} slot  of the card @param {Node} node */
export function start(slot, node) {
  if (playing.has(node.id)) return;
  const canvas = h("canvas", { class: "card-video", "aria-hidden": "true" });
  const entry = { slot, canvas, drawn: -1 };
  playing.set(node.id, entry);
  keepFitted(canvas, () => { entry.drawn = -1; });
  if (scheduled) return;
  scheduled = true;
  before = performance.now();
  requestAnimationFrame(run);
}

/** @param {string} id  of the leaf */
export function stop(id) {
  playing.get(id)?.canvas.remove();
  playing.delete(id);
}

export function stopAll() {
  for (const id of [...playing.keys()]) stop(id);
}

/** @param {number} now */
function run(now) {
  if (!playing.size) {
    scheduled = false;
    return;
  }
  at += (Math.max(0, now - before) / 1000) * fps() * (reducedMotion() ? 0.5 : 1);
  before = now;
  if (at >= to) at = from;
  for (const [id, entry] of playing) draw(id, entry, Math.floor(at));
  requestAnimationFrame(run);
}

/**
 * A branch that has ended stays at its last frame; one whose frames still load shows what it has.
 * @param {string} id @param {Entry} entry @param {number} frame
 */
function draw(id, entry, frame) {
  if (!state.nodes.has(id)) return;
  if (!entry.canvas.isConnected) entry.slot.querySelector(".card-picture")?.append(entry.canvas); // also where the card was built anew
  const pane = { nodeId: id, sessionId: "", follows: false };
  const last = Math.min(frame, totalFrames(id) - 1);
  prefetch(pane, last, STEPS_AHEAD);
  if (entry.drawn === last) return;
  const picture = pictureOf(pane, last);
  if (picture === "loading" || picture === "missing") return;
  paint(context(entry.canvas), picture);
  entry.drawn = last;
  entry.canvas.dataset.frame = String(last);
}
