/** `window.arc`: what the page shows, in numbers, and a way to seek; for tests and for reports of trouble. */

import { stream } from "../net/stream.js";
import { clock, pause, seek } from "../state/clock.js";
import { divergenceFrame } from "../state/comparison.js";
import { delays } from "../state/live.js";
import { flushTimes, state } from "../state/store.js";
import { treeStats } from "../tree/canvas.js";
import { overlay } from "../video/modes.js";
import { heldBytes } from "../video/pictures.js";
import { shown } from "../video/player.js";

export function exposeForTests() {
  const seekTo = (/** @type {number} */ frame) => {
    pause();
    seek(frame);
  };
  Object.assign(window, { arc: { state: snapshot, seek: seekTo } });
}

function snapshot() {
  const { ready, connection, treeId, treeStatus, active, selected, mode, view, compare, evaluation } = state;
  const { frame, total, playing, waiting, follow, speed } = clock;
  const { opened, lastId, frames } = stream;
  return {
    ready, connection, treeId, treeStatus, active, selected, mode, view, compare, evaluation, frame, total, playing, waiting, follow, speed,
    nodes: state.nodes.size, sessions: [...state.sessions.values()], jobs: [...state.jobs.values()], workers: [...state.workers.values()],
    panes: state.panes.map((pane) => ({ ...pane })), pair: [...state.pair], wipe: overlay.wipe, divergence: divergenceFrame(),
    shown: { ...shown, panes: [...shown.panes] }, tree: { ...treeStats }, pictureBytes: heldBytes(), flushTimes: [...flushTimes],
    stream: { opened, lastId, frames, arrivals: [...delays.arrived], latencies: [...delays.drawn] },
  };
}
