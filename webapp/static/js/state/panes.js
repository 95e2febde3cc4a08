/** Which branches are in the panes. */

import { clock, followLive, pause, play, reducedMotion, seek, setTotal } from "./clock.js";
import { divergenceFrame, divergences } from "./comparison.js";
import { longestTotal } from "./live.js";
import { LETTERS, emit, state, touch } from "./store.js";

/** @import { Mode } from "./types.js" */

export const MOST_PANES = LETTERS.length;

/**
 * Show a node in a pane. Without `sessionId` the session is the one whose head the node is, else its maker.
 * @param {string} nodeId @param {{at?: number, sessionId?: string}} [options]  `at`: pane index; default the active one
 */
export function open(nodeId, { at = state.active, sessionId } = {}) {
  const owner = sessionId ?? ownerOf(nodeId);
  const index = Math.min(at, state.panes.length, MOST_PANES - 1);
  state.panes[index] = { nodeId, sessionId: owner, follows: state.sessions.get(owner)?.head === nodeId };
  state.active = index;
  changed();
}

/** Show a node beside the others: in the next free pane, else in the active one. @param {string} nodeId @param {string} [sessionId] */
export function openBeside(nodeId, sessionId) {
  open(nodeId, { at: state.panes.length < MOST_PANES ? state.panes.length : state.active, sessionId });
}

/** Put a whole set into the panes. @param {{nodeId: string, sessionId?: string}[]} entries */
export function openAll(entries) {
  state.panes = [];
  entries.slice(0, MOST_PANES).forEach(({ nodeId, sessionId }, at) => open(nodeId, { at, sessionId }));
  state.active = 0;
  changed();
}

/** @param {number} index */
export function close(index) {
  if (state.panes.length < 2) return;
  state.panes.splice(index, 1);
  state.active = Math.min(state.active, state.panes.length - 1);
  changed();
}

/** @param {number} index */
export function activate(index) {
  if (index >= state.panes.length || index === state.active) return;
  state.active = index;
  touch("panes", "active");
}

/** Exchange the two panes that are compared. */
export function swap() {
  if (state.panes.length < 2) return;
  const [a, b] = state.pair;
  [state.panes[a], state.panes[b]] = [state.panes[b], state.panes[a]];
  changed();
}

/** @param {Mode} mode */
export function setMode(mode) {
  if (mode !== "side" && state.panes.length < 2) return;
  state.mode = mode;
  state.view = "videos";
  touch("mode", "view");
}

/** @param {number} a @param {number} b */
export function setPair(a, b) {
  state.pair = [a, b];
  touch("mode");
}

/** Recompute what depends on the panes, after any change to them. */
function changed() {
  if (Math.max(...state.pair) >= state.panes.length) state.pair = [0, 1];
  if (state.panes.length < 2 && state.mode !== "side") state.mode = "side";
  measure();
  touch("panes", "active", "mode", "selection");
}

/** Take over the panes' length and loop start. */
export function measure() {
  clock.loopStart = divergenceFrame() ?? 0;
  setTotal(longestTotal());
  emit("frame");
}

/** Jump to the previous (-1) or next (+1) divergence. @param {number} direction */
export function jump(direction) {
  const list = divergences();
  const next = direction < 0 ? list.filter((f) => f < clock.frame).pop() : list.find((f) => f > clock.frame);
  if (next !== undefined) seek(next);
  else if (list.length) seek(direction < 0 ? list[0] : list[list.length - 1]);
}

/** Start the show: from the divergence when branches are compared. */
export function startShow() {
  const from = divergenceFrame();
  if (reducedMotion() || clock.follow) {
    seek(from ?? clock.total - 1, { keepFollow: true });
    return;
  }
  pause();
  seek(from ?? 0);
  play();
}

/** The pane follows its session again, and the newest frame is shown. */
export function followHead() {
  for (const pane of state.panes) {
    const head = state.sessions.get(pane.sessionId)?.head;
    if (head && state.nodes.has(head)) Object.assign(pane, { nodeId: head, follows: true });
  }
  state.selected = state.panes[state.active]?.nodeId ?? state.selected;
  measure();
  followLive();
  touch("panes", "selection");
}

/** @param {string} nodeId */
function ownerOf(nodeId) {
  const maker = state.nodes.get(nodeId)?.session_id ?? "";
  if (state.sessions.get(maker)?.head === nodeId) return maker;
  return [...state.sessions.values()].find((session) => session.head === nodeId && session.state === "open")?.id ?? maker;
}
