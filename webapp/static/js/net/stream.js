/**
 * The one WebSocket: events as JSON, live frames as 16-byte header + JPEG. A lost connection comes back by itself with
 * growing pauses and asks for what it missed (`last_id`).
 */

import { here } from "../state/address.js";
import { putSession } from "../state/events.js";
import { putLive } from "../state/live.js";
import { state, touch } from "../state/store.js";

/** @import { ServerEvent } from "../state/types.js" */

const CREDIT = 8; // frames the server may have on the way per pane
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8000;
const PING_MS = 15000;

export const stream = {
  /** @type {string|null} */ lastId: null,
  attempts: 0,
  retryAt: 0,
  opened: 0,
  frames: 0,
};

/**
 * @typedef {Object} Handlers
 * @property {(event: ServerEvent) => void} event
 * @property {(again: boolean) => void} hello  the connection is there, or there again
 * @property {(body: {title?: string, detail?: string, code?: string, what_to_do?: string}) => void} problem
 */

/** @type {WebSocket|null} */
let socket = null;
/** @type {string[]} */
let subscribed = [];
let timer = 0;
/** @type {Handlers} */
let handlers;

/** @param {Handlers} given */
export function connect(given) {
  handlers = given;
  open();
  setInterval(() => send({ type: "ping" }), PING_MS);
  addEventListener("online", retryNow);
}

/** Sessions whose live frames the panes want, in pane order. @param {string[]} sessionIds */
export function subscribe(sessionIds) {
  if (sessionIds.join() === subscribed.join()) return;
  subscribed = [...sessionIds];
  sendSubscription();
}

/** Do not wait for the next attempt. */
export function retryNow() {
  if (state.connection !== "lost") return;
  clearTimeout(timer);
  open();
}

function open() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}${here("/ws/stream")}`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (message) => (typeof message.data === "string" ? onText(message.data) : onFrame(message.data));
  socket.onopen = onOpen;
  socket.onclose = onClose;
}

function onOpen() {
  const again = stream.opened > 0;
  stream.opened += 1;
  stream.attempts = 0;
  state.connection = "live";
  touch("connection");
  sendSubscription();
  handlers.hello(again);
}

function onClose() {
  state.connection = stream.opened || stream.attempts ? "lost" : "connecting";
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** stream.attempts) * (0.75 + Math.random() / 2);
  stream.attempts += 1;
  stream.retryAt = Date.now() + pause;
  timer = setTimeout(open, pause);
  touch("connection");
}

/** @param {Object} message */
function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function sendSubscription() {
  send({ type: "subscribe", session_ids: subscribed, last_id: stream.lastId });
  subscribed.forEach((_, pane) => send({ type: "credit", pane, n: CREDIT }));
}

/** @param {string} data */
function onText(data) {
  const message = JSON.parse(data);
  if (message.type === "event") {
    if (!isNew(message.id)) return;
    stream.lastId = message.id;
    handlers.event(message);
  } else if (message.type === "hello") {
    stream.lastId ??= message.last_id;
    message.sessions.forEach(putSession);
  } else if (message.type === "error" && message.code !== "EventsLost") handlers.problem(message); // lost events: the resync reads all again
}

/** Redis stream ids are "<ms>-<n>": a replay may overlap what already came. @param {string} id */
function isNew(id) {
  if (!id || !stream.lastId) return true;
  const [ms, n] = id.split("-").map(Number);
  const [lastMs, lastN] = stream.lastId.split("-").map(Number);
  return ms > lastMs || (ms === lastMs && n > lastN);
}

/** @param {ArrayBuffer} buffer */
async function onFrame(buffer) {
  const view = new DataView(buffer);
  if (view.getUint8(0) !== 1) return;
  const pane = view.getUint8(1);
  const sessionId = subscribed[pane];
  const number = view.getUint32(4, true);
  const sent = view.getFloat64(8, true);
  send({ type: "credit", pane, n: 1 });
  if (!sessionId) return;
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(buffer, 16)], { type: "image/jpeg" }));
  stream.frames += 1;
  putLive(sessionId, number, bitmap, sent * 1000);
}
