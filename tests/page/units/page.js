/** What the page's modules need of a browser, by hand: frames of the screen come when a test says so. And small worlds. */

import { forgetLineages } from "../../../webapp/static/js/state/lineage.js";
import { state } from "../../../webapp/static/js/state/store.js";

let now = 0;
let due = [];
const reader = { calm: false };

globalThis.requestAnimationFrame = (fn) => due.push(fn);
globalThis.performance = { now: () => now };
globalThis.matchMedia = () => ({ matches: reader.calm });

/** One frame of the screen, `ms` later. */
export function tick(ms = 16) {
  now += ms;
  const fns = due;
  due = [];
  for (const fn of fns) fn(now);
}

/** The screen runs for so long. */
export function run(ms) {
  for (let left = ms; left > 0; left -= 16) tick(Math.min(16, left));
}

/** The reader asks for less motion, or no longer. */
export function calm(wanted) {
  reader.calm = wanted;
}

/** A node of a step, as the server sends it. */
export function node(id, parent, step, more = {}) {
  return { id, parent, session_id: "ses_a", tree_id: "r", frame_index: step, created: step, prompt: "push", seed: 7, durability: "durable",
    failed: false, bookmarked: false, pinned: false, label: null, score: null,
    score_better: null, note: null, tags: [], n_frames: step ? 8 : 1, children: [], ...more };
}

/** A session with a head. */
export function session(id, head, more = {}) {
  return { id, head, state: "open", label: null, prompt: "push", tree_id: "r", frame_index: 0,
    running_job: null, queued: 0, created: 0, updated: 0, ...more };
}

/** Forget everything; then the tree r - a1 - a2 - a3 of session A, which b2 - b3 of session B leave at a1. */
export function plant() {
  due = [];
  forgetLineages();
  Object.assign(state, {
    nodes: new Map(), sessions: new Map(), jobs: new Map(), workers: new Map(), panes: [], active: 0, pair: [0, 1], selected: null, mode: "side",
    view: "videos", compare: null, model: { geometry: { frames_per_step: 8, fps: 10 } }, treeId: "r", treeVersion: state.treeVersion + 1,
  });
  const nodes = [node("r", null, 0), node("a1", "r", 1), node("a2", "a1", 2), node("a3", "a2", 3),
    node("b2", "a1", 2, { session_id: "ses_b" }), node("b3", "b2", 3, { session_id: "ses_b" })];
  for (const one of nodes) {
    state.nodes.set(one.id, one);
    state.nodes.get(one.parent)?.children.push(one.id);
  }
  for (const one of [session("ses_a", "a3"), session("ses_b", "b3")]) state.sessions.set(one.id, one);
}
