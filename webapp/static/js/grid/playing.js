/** Branches that play in the grid: the one under the pointer, or all that are in view, in step. */

import { reducedMotion } from "../state/clock.js";
import { fps, totalFrames } from "../state/lineage.js";
import { state } from "../state/store.js";
import { context, keepFitted, paint } from "../video/draw.js";
import { pictureOf, prefetch } from "../video/pictures.js";
import { h } from "../ui/dom.js";

/** @import { Node } from "../state/types.js" */

const STEPS_AHEAD = 2;
/** @type {Map<string, {canvas: HTMLCanvasElement, drawn: number}>} cards that play, by their leaf */
const playing = new Map();
let frame = 0;
let from = 0;
let to = 1;
let before = 0;
let scheduled = false;

/** Begin anew at this frame, up to the end of these branches. @param {number} first @param {Node[]} nodes */
export function restart(first, nodes) {
  from = first;
  to = Math.max(first + 1, ...nodes.map((node) => totalFrames(node.id)));
  frame = first;
}

/** A card plays from now on. @param {Element} card  with a picture @param {Node} node */
export function start(card, node) {
  if (playing.has(node.id)) return;
  const canvas = h("canvas", { class: "card-video", "aria-hidden": "true" });
  const entry = { canvas, drawn: -1 };
  playing.set(node.id, entry);
  keepFitted(canvas, () => { entry.drawn = -1; });
  card.querySelector(".card-picture")?.append(canvas);
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

let exact = 0;

/** @param {number} now */
function run(now) {
  if (!playing.size) {
    scheduled = false;
    return;
  }
  if (frame === from) exact = from;
  exact += ((now - before) / 1000) * fps() * (reducedMotion() ? 0.5 : 1);
  before = now;
  if (exact >= to) exact = from;
  frame = Math.floor(exact);
  for (const [id, entry] of playing) draw(id, entry);
  requestAnimationFrame(run);
}

/**
 * A branch that has ended stays at its last frame; one whose frames still load shows what it has.
 * @param {string} id @param {{canvas: HTMLCanvasElement, drawn: number}} entry
 */
function draw(id, entry) {
  if (!state.nodes.has(id)) return;
  const pane = { nodeId: id, sessionId: "", follows: false };
  const at = Math.min(frame, totalFrames(id) - 1);
  prefetch(pane, at, STEPS_AHEAD);
  if (entry.drawn === at) return;
  const picture = pictureOf(pane, at);
  if (picture === "loading" || picture === "missing") return;
  paint(context(entry.canvas), picture);
  entry.drawn = at;
  entry.canvas.dataset.frame = String(at);
}
