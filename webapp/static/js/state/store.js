/**
 * The page's one state and who hears about it. Changes of data are batched: `touch("nodes")` runs the listeners once
 * in the next animation frame, however many events arrived. `emit` runs them at once (the clock draws with it).
 */

/** @import { Compare, Evaluation, Job, Mode, Model, Node, Pane, Sample, Session, Topic, TreeStatus, Trouble, View, Worker } from "./types.js" */

export const LETTERS = ["A", "B", "C", "D", "E", "F"];

export const state = {
  /** @type {Map<string, Session>} */ sessions: new Map(),
  /** @type {Map<string, Node>} nodes of the tree shown */ nodes: new Map(),
  /** @type {Map<string, Job>} */ jobs: new Map(),
  /** @type {Map<string, Worker>} */ workers: new Map(),
  /** @type {Map<string, Evaluation>} the newest ones, and all that run */ evaluations: new Map(),
  /** @type {string|null} the evaluation that is looked at; null: their list */ evaluation: null,
  /** @type {Model|null} */ model: null,
  /** @type {Sample[]} */ samples: [],
  /** @type {string|null} */ treeId: null,
  /** counts changes of the nodes */ treeVersion: 0,
  /** when the tree was read, until it is on screen; 0: it is */ treeReadAt: 0,
  /** @type {TreeStatus} */ treeStatus: "loading",
  /** @type {Trouble|null} */ treeError: null,
  /** @type {string|null} session whose first job runs; its tree opens when it is there */ awaited: null,
  /** @type {Pane[]} at most six */ panes: [],
  active: 0,
  /** @type {string|null} node chosen in the tree */ selected: null,
  /** @type {Mode} */ mode: "side",
  pair: [0, 1],
  /** @type {View} */ view: "videos",
  smooth: true,
  /** @type {Compare|null} */ compare: null,
  /** @type {Trouble|null} */ compareError: null,
  /** @type {"connecting"|"live"|"lost"} */ connection: "connecting",
  ready: false,
};

/** @type {Map<Topic, Set<() => void>>} */
const listeners = new Map();
/** @type {Set<Topic>} */
const dirty = new Set();
let scheduled = false;

/**
 * Run `fn` when any of the topics changes. "nodes" are those of the tree, "branch" those shown in a pane, "tree" is which
 * one and how it loads, "reveal" asks for the selected node; only `emit` tells frame, play, picture (one arrived), redraw, zoom, resync
 * (the server is back), and evaluate, export, palette, help and system, which ask for a dialog.
 * @param {Topic[]} topics @param {() => void} fn
 */
export function on(topics, fn) {
  for (const topic of topics) listeners.set(topic, (listeners.get(topic) ?? new Set()).add(fn));
}

/** Mark topics as changed; their listeners run once in the next animation frame. @param {Topic[]} topics */
export function touch(...topics) {
  for (const topic of topics) dirty.add(topic);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(flush);
}

/** Run the listeners of a topic now. @param {Topic} topic */
export function emit(topic) {
  for (const fn of listeners.get(topic) ?? []) fn();
}

/** @type {number[]} How long the last updates took in all their listeners, ms. */
export const flushTimes = [];
const TIMES_KEPT = 300;

function flush() {
  const began = performance.now();
  scheduled = false;
  const due = new Set([...dirty].flatMap((topic) => [...listeners.get(topic) ?? []]));
  dirty.clear();
  for (const fn of due) fn();
  flushTimes.push(performance.now() - began);
  if (flushTimes.length > TIMES_KEPT) flushTimes.shift();
}

/** The session the controls act on: the active pane's. */
export function activeSession() {
  return state.sessions.get(state.panes[state.active]?.sessionId) ?? null;
}

/** The node chosen in the tree. */
export function selectedNode() {
  return state.nodes.get(state.selected ?? "") ?? null;
}

/** Letters of the panes that end at a node. @param {string} nodeId */
export function lettersAt(nodeId) {
  return state.panes.map((pane, i) => (pane.nodeId === nodeId ? LETTERS[i] : "")).join("");
}

/** Letter of the pane that shows this session, or null. @param {string|null} sessionId */
export function letterOf(sessionId) {
  const index = state.panes.findIndex((pane) => pane.sessionId === sessionId);
  return index < 0 ? null : LETTERS[index];
}
