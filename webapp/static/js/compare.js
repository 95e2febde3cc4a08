/** Fetches the server's comparison of the panes: divergence point and difference series. */

import { get } from "./api.js";
import { measure } from "./panes.js";
import { on, state, touch } from "./store.js";

const PAUSE_MS = 250;
const RETRY_MS = [1000, 2000, 4000, 8000];

let wanted = "";
let timer = 0;
let tries = 0;

/** Keep `state.compare` up to date with the panes. */
export function watchCompare() {
  on("panes", schedule);
}

function schedule() {
  const ids = [...new Set(state.panes.map((pane) => pane.nodeId))];
  const key = ids.length < 2 ? "" : ids.join(",");
  if (key === wanted) return;
  wanted = key;
  tries = 0;
  clearTimeout(timer);
  if (!samePanes()) state.compare = null;
  if (key) timer = setTimeout(load, PAUSE_MS, key);
  touch("compare");
}

/** While a branch grows, the old comparison stays on screen until the new one is here. */
function samePanes() {
  const before = state.compare?.sessions ?? [];
  return before.join() === state.panes.map((pane) => pane.sessionId).join();
}

async function load(key) {
  try {
    const result = await get(`/api/compare?nodes=${encodeURIComponent(key)}`);
    if (key !== wanted) return;
    state.compare = { ...result, sessions: state.panes.map((pane) => pane.sessionId), ids: state.panes.map((pane) => pane.nodeId) };
    state.compareError = null;
  } catch (problem) {
    if (key !== wanted) return;
    state.compareError = problem;
    if (tries < RETRY_MS.length) timer = setTimeout(load, RETRY_MS[tries], key);
    tries += 1;
  }
  measure();
  touch("compare");
}

/**
 * One series of the comparison for two panes, and the frame (or step) its first value belongs to.
 * A null value means that the server could not read a payload (yet).
 * @param {"latent"|"pixel"|"action"} kind
 * @returns {{start: number, values: (number|null)[]}|null}
 */
export function series(kind, a, b) {
  const { compare } = state;
  const values = ofPair(compare?.series?.[kind], a, b);
  if (!values) return null;
  const start = compare.series_start;
  return { start: kind === "pixel" ? start.video_frame : start.frame_index, values };
}

/** Are two panes' worlds equal, bit for bit, over their common length? null when unknown. */
export function equal(a, b) {
  if (state.panes[a].nodeId === state.panes[b].nodeId) return true;
  return ofPair(state.compare?.equal, a, b);
}

/** First video frame in which two panes differ: null when they never do, undefined when unknown. */
export function firstDifference(a, b) {
  const found = series("pixel", a, b);
  if (!found) return undefined;
  const at = found.values.findIndex((value) => value > 0);
  return at < 0 ? null : found.start + at;
}

/** The server keys a pair by "<id>|<id>" in the order asked for. */
function ofPair(table, a, b) {
  const [x, y] = [state.compare?.ids[a], state.compare?.ids[b]];
  return table?.[`${x}|${y}`] ?? table?.[`${y}|${x}`] ?? null;
}

/** All pairs of pane indexes. */
export function pairs() {
  const n = state.panes.length;
  return [[0, 1], [0, 2], [1, 2]].filter(([a, b]) => a < n && b < n);
}
