/** What the server said about the branches in the panes: where each pair parts, and by how much. */

import { clock } from "./clock.js";
import { commonAncestor, lastFrame } from "./lineage.js";
import { paneTotal } from "./live.js";
import { state } from "./store.js";

/** @typedef {"latent"|"pixel"|"action"} Kind */

/** All pairs of pane indexes. @returns {[number, number][]} */
export function pairs() {
  const lanes = [...state.panes.keys()];
  return lanes.flatMap((a) => lanes.slice(a + 1).map((b) => /** @type {[number, number]} */ ([a, b])));
}

/**
 * One series of the comparison for two panes, and the frame (or step) its first value belongs to.
 * A null value means that the server could not read a payload (yet).
 * @param {Kind} kind @param {number} a @param {number} b
 * @returns {{start: number, values: (number|null)[]}|null}
 */
export function series(kind, a, b) {
  const { compare } = state;
  const values = ofPair(compare?.series?.[kind], a, b);
  if (!values || !compare) return null;
  const start = compare.series_start;
  return { start: kind === "pixel" ? start.video_frame : start.frame_index, values };
}

/** Are two panes' worlds equal, bit for bit, over their common length? null when unknown. @param {number} a @param {number} b */
export function equal(a, b) {
  if (state.panes[a].nodeId === state.panes[b].nodeId) return true;
  return ofPair(state.compare?.equal, a, b);
}

/**
 * The server keys a pair by "<id>|<id>" in the order asked for.
 * @template T
 * @param {Record<string, T>|undefined} table @param {number} a @param {number} b
 */
function ofPair(table, a, b) {
  const [x, y] = [state.compare?.ids[a], state.compare?.ids[b]];
  return table?.[`${x}|${y}`] ?? table?.[`${y}|${x}`] ?? null;
}

/**
 * The frame at which the two branches that lie over each other are shown: the clock's, as long as both have it; then the last
 * one that both have, and which pane ended. Different times are never compared.
 * @param {number} frame @returns {{frame: number, ended: number|null, last: number}}
 */
export function comparedFrame(frame) {
  const ends = state.pair.map((index) => (state.panes[index] ? paneTotal(state.panes[index]) - 1 : Infinity));
  const last = Math.min(...ends);
  return { frame: Math.min(frame, last), ended: frame > last ? state.pair[ends.indexOf(last)] : null, last };
}

/** First video frame in which two panes differ: null when they never do, undefined when unknown. @param {number} a @param {number} b */
function firstDifference(a, b) {
  const found = series("pixel", a, b);
  if (!found) return undefined;
  const at = found.values.findIndex((value) => Number(value) > 0);
  return at < 0 ? null : found.start + at;
}

/** First video frame in which the panes differ: the server's word, the fork point until it has come. */
export function divergenceFrame() {
  if (state.panes.length < 2) return null;
  const fromServer = state.compare?.first_differing_video_frame;
  if (fromServer !== undefined) return fromServer;
  const ancestor = commonAncestor(state.panes.map((pane) => pane.nodeId));
  return ancestor ? Math.min(lastFrame(ancestor) + 1, clock.total - 1) : null;
}

/** Frames worth jumping to with [ and ]: where each pair of panes parts. */
export function divergences() {
  const frames = [divergenceFrame(), ...pairs().map(([a, b]) => firstDifference(a, b))];
  return [...new Set(frames.filter((frame) => typeof frame === "number"))].sort((x, y) => x - y);
}
