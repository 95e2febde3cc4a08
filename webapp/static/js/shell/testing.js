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
  window.arc = {
    state: snapshot,
    seek(frame) {
      pause();
      seek(frame);
    },
  };
}

function snapshot() {
  return {
    ready: state.ready, connection: state.connection, treeId: state.treeId, treeStatus: state.treeStatus, nodes: state.nodes.size,
    sessions: [...state.sessions.values()], jobs: [...state.jobs.values()], workers: [...state.workers.values()],
    panes: state.panes.map((pane) => ({ ...pane })), active: state.active, selected: state.selected, mode: state.mode, view: state.view, pair: [...state.pair], wipe: overlay.wipe,
    frame: clock.frame, total: clock.total, playing: clock.playing, waiting: clock.waiting, follow: clock.follow, speed: clock.speed,
    shown: { ...shown, panes: [...shown.panes] }, divergence: divergenceFrame(), compare: state.compare, tree: { ...treeStats },
    stream: { opened: stream.opened, lastId: stream.lastId, frames: stream.frames, arrivals: [...delays.arrived], latencies: [...delays.drawn] }, pictureBytes: heldBytes(), flushTimes: [...flushTimes],
  };
}
