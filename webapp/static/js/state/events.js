/** What a server event means for the page's state. */

import { isBehind, isOver } from "./jobs.js";
import { forgetLineages, isOnLineage, totalFrames } from "./lineage.js";
import { dropLive } from "./live.js";
import { openAll } from "./panes.js";
import { state, touch } from "./store.js";

/** @import { Job, Node, ServerEvent, Session, Tree, Worker } from "./types.js" */

/** Ended jobs kept for the list; those that run or wait are all kept. */
const JOBS_KEPT = 200;

/** @param {ServerEvent} event  its data is the session, job, node or worker that its kind begins with */
export function apply({ kind, data }) {
  const record = /** @type {any} */ (data);
  if (kind.startsWith("session.")) putSession(record);
  else if (kind.startsWith("job.")) putJob(record, { told: true });
  else if (kind.startsWith("node.")) putNode(record, { committed: kind === "node.committed" });
  else if (kind === "tree.deleted") forgetTree(record.id);
  else if (kind.startsWith("worker.")) putWorker(kind === "worker.down" ? { ...record, state: "down" } : record);
}

/** @param {Session} session */
export function putSession(session) {
  const known = state.sessions.get(session.id);
  if (known && known.updated > session.updated) return;
  const now = { ...known, ...session };
  state.sessions.set(session.id, now);
  if (known && known.head !== now.head && now.frame_index <= known.frame_index) forgetLive(now, 0); // rewound: other frames have these numbers
  else dropUncommitted(now);
  movePanes();
  touch("sessions");
}

/** A tree that was deleted: nothing of it stays, neither in the lists nor in the panes. @param {string} treeId */
export function forgetTree(treeId) {
  const gone = new Set([...state.sessions.values()].filter((session) => session.tree_id === treeId).map(({ id }) => id));
  for (const id of gone) state.sessions.delete(id);
  for (const job of [...state.jobs.values()]) if (gone.has(job.session_id)) state.jobs.delete(job.id);
  const isShown = state.treeId === treeId; // then those that were compared with it go, too
  for (const node of [...state.nodes.values()]) if (isShown || node.tree_id === treeId) state.nodes.delete(node.id);
  if (isShown) Object.assign(state, { treeId: null, treeStatus: state.sessions.size ? "deleted" : "empty" });
  forgetLineages();
  state.treeVersion += 1;
  if (!state.nodes.has(state.selected ?? "")) state.selected = null;
  const left = state.panes.filter((pane) => state.nodes.has(pane.nodeId));
  if (left.length < state.panes.length) openAll(left);
  touch("sessions", "jobs", "nodes", "tree");
}

/** Live frames of a step that will never be committed must not stay. @param {Session} session */
function dropUncommitted(session) {
  if (!session.running_job && session.head) forgetLive(session, totalFrames(session.head));
}

/** @param {Session} session @param {number} from  frame */
function forgetLive(session, from) {
  if (dropLive(session.id, (frame) => frame >= from)) touch("branch");
}

/**
 * `told` by an event, in order. An answer to a request may be older than what events have said since: it never takes a job
 * back.
 * @param {Job} job @param {{told?: boolean}} [options]
 */
export function putJob(job, { told = false } = {}) {
  const known = state.jobs.get(job.id);
  if (!told && known && isBehind(job, known)) return;
  state.jobs.set(job.id, job);
  dropOldJobs();
  const session = job.kind === "video" ? null : state.sessions.get(job.session_id); // clips are not the session's own work
  if (session && job.state === "running") session.running_job = job.id;
  else if (session?.running_job === job.id) {
    session.running_job = null;
    dropUncommitted(session);
  }
  touch("jobs", "sessions");
}

function dropOldJobs() {
  if (state.jobs.size <= JOBS_KEPT) return;
  const over = [...state.jobs.values()].filter(isOver);
  for (const job of over.slice(0, Math.max(0, over.length - JOBS_KEPT))) state.jobs.delete(job.id);
}

/** @type {[Node, {committed: boolean}][]|null} Node events that came while a tree was read: the answer may be older. */
let meanwhile = null;

/** A tree is about to be read; `putTree` or `giveUpTree` ends it. */
export function expectTree() {
  meanwhile = [];
}

export function giveUpTree() {
  meanwhile = null;
}

/** @param {Node} node @param {{committed?: boolean}} [options] */
export function putNode(node, { committed = false } = {}) {
  meanwhile?.push([node, { committed }]);
  if (node.tree_id !== state.treeId && !state.nodes.has(node.parent ?? "")) return; // of a tree that nobody looks at
  const known = state.nodes.get(node.id);
  node.children = known?.children ?? node.children ?? [];
  state.nodes.set(node.id, node);
  state.treeVersion += 1;
  const parent = state.nodes.get(node.parent ?? "");
  if (parent && !parent.children.includes(node.id)) parent.children.push(node.id);
  const session = state.sessions.get(node.session_id);
  if (committed && !known && session && (session.head === node.parent || !session.head)) {
    session.head = node.id;
    session.frame_index = node.frame_index;
    touch("sessions");
  }
  movePanes();
  touch("nodes");
  if (state.panes.some((pane) => isOnLineage(node, pane.nodeId))) touch("branch");
}

/** @param {Worker} worker */
export function putWorker(worker) {
  state.workers.set(worker.name, { ...state.workers.get(worker.name), ...worker });
  touch("workers");
}

/** Replace the tree by a freshly read one. @param {Tree} tree */
export function putTree(tree) {
  state.treeReadAt = performance.now();
  /** @type {Map<string, Node>} */
  const nodes = new Map();
  for (const node of tree.nodes ?? []) nodes.set(node.id, { ...node, children: [] });
  const others = state.treeId === tree.tree_id ? [...state.nodes.values()].filter((node) => node.tree_id !== tree.tree_id) : [];
  for (const node of others) nodes.set(node.id, { ...node, children: [] }); // they are compared with this one
  for (const node of nodes.values()) nodes.get(node.parent ?? "")?.children.push(node.id);
  if (state.treeId !== tree.tree_id) forgetLineages();
  state.treeId = tree.tree_id;
  state.nodes = nodes;
  state.treeVersion += 1;
  for (const session of tree.sessions ?? []) putSession(session);
  state.treeStatus = nodes.size ? "ready" : "empty";
  state.treeError = null;
  const later = meanwhile ?? [];
  meanwhile = null;
  for (const [node, how] of later) putNode(node, how);
  movePanes();
  touch("nodes", "branch", "sessions");
}

/** Take in another tree beside the one that is shown, to compare with it. @param {Tree} tree */
export function putBeside(tree) {
  const fresh = (tree.nodes ?? []).filter((node) => !state.nodes.has(node.id));
  for (const node of fresh) state.nodes.set(node.id, { ...node, children: [] });
  for (const node of fresh) state.nodes.get(node.parent ?? "")?.children.push(node.id);
  state.treeVersion += 1;
  for (const session of tree.sessions ?? []) putSession(session);
  touch("nodes", "branch", "sessions");
}

/** Panes that follow a session move with its head. */
function movePanes() {
  for (const pane of state.panes) {
    const head = pane.follows ? state.sessions.get(pane.sessionId)?.head : null;
    if (!head || head === pane.nodeId || !state.nodes.has(head)) continue;
    if (state.selected === pane.nodeId && pane === state.panes[state.active]) { // what one works on goes along
      state.selected = head;
      touch("selection", "reveal");
    }
    pane.nodeId = head;
    touch("panes");
  }
}
