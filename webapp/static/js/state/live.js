/**
 * Frames of running steps. They come by WebSocket, before their step is committed, and stand in until its lossless strip is
 * here. Every arrival is told by the topic "picture".
 */

import { totalFrames } from "./lineage.js";
import { emit, state } from "./store.js";

/** @import { Pane } from "./types.js" */
/** @typedef {{bitmap: ImageBitmap, sent: number, drawn: boolean}} LiveFrame  `sent`: the server's stamp, ms since the epoch */

/** @type {Map<string, Map<number, LiveFrame>>} by session and frame number */
const live = new Map();
const TIMES_KEPT = 500;

/** ms from the server's stamp until a live frame was decoded, and until it was drawn, for those that were. */
export const delays = { arrived: /** @type {number[]} */ ([]), drawn: /** @type {number[]} */ ([]) };

/**
 * A frame arrived. One of a session that is not being stepped is of a step that was cancelled, and of no use to anybody.
 * @param {string} sessionId @param {number} frame @param {ImageBitmap} bitmap @param {number} sent
 */
export function putLive(sessionId, frame, bitmap, sent) {
  if (!state.sessions.get(sessionId)?.running_job) {
    bitmap.close();
    return;
  }
  const frames = live.get(sessionId) ?? new Map();
  live.set(sessionId, frames);
  frames.get(frame)?.bitmap.close();
  frames.set(frame, { bitmap, sent, drawn: false });
  keep(delays.arrived, Date.now() - sent);
  emit("picture");
}

/**
 * Drop a session's live frames of these numbers (their step came to nothing, or their strip is here). Answers how many went.
 * @param {string} sessionId @param {(frame: number) => boolean} gone
 */
export function dropLive(sessionId, gone = () => true) {
  const frames = live.get(sessionId);
  let dropped = 0;
  for (const [number, { bitmap }] of frames ?? []) {
    if (!gone(number)) continue;
    bitmap.close();
    frames?.delete(number);
    dropped += 1;
  }
  return dropped;
}

/**
 * The live frame of a pane at `frame`, or the nearest before it not earlier than `from` (a slow viewer is not sent all).
 * @param {Pane} pane @param {number} frame @param {number} from
 */
export function liveAt(pane, frame, from) {
  const fresh = pane.follows ? live.get(pane.sessionId) : null;
  for (let at = frame; fresh?.size && at >= from; at -= 1) if (fresh.has(at)) return fresh.get(at);
  return null;
}

/** Frames a pane has to show, those of a running step included. @param {Pane} pane */
export function paneTotal(pane) {
  const committed = totalFrames(pane.nodeId);
  const fresh = pane.follows ? live.get(pane.sessionId) : null;
  return fresh?.size ? Math.max(committed, Math.max(...fresh.keys()) + 1) : committed;
}

/** Frames that the longest pane has. */
export function longestTotal() {
  return Math.max(1, ...state.panes.map(paneTotal));
}

/** A live frame is on the screen: the first time, note how long it took. @param {LiveFrame|undefined} frame */
export function noteDrawn(frame) {
  if (!frame || frame.drawn) return;
  frame.drawn = true;
  keep(delays.drawn, Date.now() - frame.sent);
}

/** @param {number[]} list @param {number} value */
function keep(list, value) {
  list.push(value);
  if (list.length > TIMES_KEPT) list.shift();
}
