/**
 * The page's one state and who hears about it. Changes of data are batched: `touch("nodes")` runs the listeners once
 * in the next animation frame, however many events arrived. `emit` runs them at once (the clock draws with it).
 */

export const LETTERS = ["A", "B", "C"];
export const MODES = ["side", "wipe", "blink", "diff"];

export const state = {
  /** @type {Map<string, import("./types.js").Session>} */ sessions: new Map(),
  /** @type {Map<string, import("./types.js").Node>} nodes of the tree shown */ nodes: new Map(),
  /** @type {Map<string, import("./types.js").Job>} */ jobs: new Map(),
  /** @type {Map<string, Object>} */ workers: new Map(),
  /** @type {Object|null} geometry, abilities of the model */ model: null,
  /** @type {{name: string, url: string}[]} */ samples: [],
  /** @type {string|null} */ treeId: null,
  /** counts changes of the nodes */ treeVersion: 0,
  /** when the tree was read, until it is on screen; 0: it is */ treeReadAt: 0,
  treeStatus: "loading", // loading | empty | ready | error
  treeError: null,
  /** @type {string|null} session whose first job runs; its tree opens when it is there */ awaited: null,
  /** @type {import("./types.js").Pane[]} at most three */ panes: [],
  active: 0,
  /** @type {string|null} node chosen in the tree */ selected: null,
  mode: "side",
  pair: [0, 1],
  view: "videos", // videos | grid
  smooth: true,
  /** @type {import("./types.js").Compare|null} */ compare: null,
  compareError: null,
  connection: "connecting", // connecting | live | lost
  ready: false,
};

const listeners = new Map();
const dirty = new Set();
let scheduled = false;

/**
 * Topics: sessions, nodes (of the tree), branch (nodes shown in a pane), jobs, workers, model, samples, tree (which and how
 * it loads), panes, active, selection, reveal (the selected node), mode, view, compare, connection, tab, theme, ready; by `emit`: frame,
 * play, picture (one arrived), redraw, resync (the server is back).
 * Run `fn` when any of the topics changes.
 * @param {string} topics  separated by spaces
 * @param {() => void} fn
 */
export function on(topics, fn) {
  for (const topic of topics.split(" ")) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic).add(fn);
  }
}

/** Mark topics as changed; their listeners run once in the next animation frame. */
export function touch(...topics) {
  for (const topic of topics) dirty.add(topic);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(flush);
}

/** Run the listeners of a topic now. */
export function emit(topic) {
  for (const fn of listeners.get(topic) ?? []) fn();
}

/** How long the last updates took in all their listeners, ms. */
export const flushTimes = [];
const TIMES_KEPT = 300;

function flush() {
  const began = performance.now();
  scheduled = false;
  const due = new Set();
  for (const topic of dirty) for (const fn of listeners.get(topic) ?? []) due.add(fn);
  dirty.clear();
  for (const fn of due) fn();
  flushTimes.push(performance.now() - began);
  if (flushTimes.length > TIMES_KEPT) flushTimes.shift();
}

/** The session the controls act on: the active pane's. */
export function activeSession() {
  const pane = state.panes[state.active];
  return pane ? state.sessions.get(pane.sessionId) ?? null : null;
}

/** Letter of the pane that shows this session, or null. */
export function letterOf(sessionId) {
  const index = state.panes.findIndex((pane) => pane.sessionId === sessionId);
  return index < 0 ? null : LETTERS[index];
}
