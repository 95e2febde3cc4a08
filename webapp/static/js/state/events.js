/** What a server event means for the page's state. */

import { forgetLineages, lineage, totalFrames } from "./lineage.js";
import { dropLive } from "./live.js";
import { state, touch } from "./store.js";

/** Jobs kept for the list. */
const JOBS_KEPT = 200;
const STAGE = { queued: 0, running: 1, succeeded: 2, failed: 2, cancelled: 2 };

/** @param {{kind: string, session_id: string, data: Object}} event */
export function apply(event) {
  const { kind, data } = event;
  if (kind.startsWith("session.")) putSession(data);
  else if (kind.startsWith("job.")) putJob(data, { told: true });
  else if (kind.startsWith("node.")) putNode(data, { committed: kind === "node.committed" });
  else if (kind.startsWith("worker.")) putWorker(data, kind === "worker.down");
}

/** @param {import("./types.js").Session} session */
export function putSession(session) {
  if (state.sessions.get(session.id)?.updated > session.updated) return;
  state.sessions.set(session.id, { ...state.sessions.get(session.id), ...session });
  movePanes();
  touch("sessions");
}

/**
 * @param {import("./types.js").Job} job
 * @param {{told?: boolean}} [options]  `told` by an event, in order. An answer to a request may be older than what events
 *   have said since: it never takes a job back.
 */
export function putJob(job, { told = false } = {}) {
  const known = state.jobs.get(job.id);
  if (!told && known && STAGE[known.state] > STAGE[job.state]) return;
  state.jobs.set(job.id, job);
  if (state.jobs.size > JOBS_KEPT) dropOldestJob();
  const session = job.kind === "video" ? null : state.sessions.get(job.session_id); // clips are not the session's own work
  if (session) {
    if (job.state === "running") session.running_job = job.id;
    else if (session.running_job === job.id) session.running_job = null;
  }
  if (["failed", "cancelled"].includes(job.state) && session?.head) {
    const committed = totalFrames(session.head);
    dropLive(session.id, (frame) => frame >= committed);
  }
  touch("jobs", "sessions");
}

function dropOldestJob() {
  for (const [id, job] of state.jobs) {
    if (job.state === "queued" || job.state === "running") continue;
    state.jobs.delete(id);
    return;
  }
}

/** Node events that came while a tree was being read: the answer may be older than they are. */
let meanwhile = null;

/** A tree is about to be read; `putTree` or `giveUpTree` ends it. */
export function expectTree() {
  meanwhile = [];
}

export function giveUpTree() {
  meanwhile = null;
}

/** @param {import("./types.js").Node} node */
export function putNode(node, { committed = false } = {}) {
  meanwhile?.push([node, { committed }]);
  if (node.tree_id !== state.treeId) return;
  const known = state.nodes.get(node.id);
  node.children = known?.children ?? node.children ?? [];
  state.nodes.set(node.id, node);
  state.treeVersion += 1;
  const parent = state.nodes.get(node.parent);
  if (parent && !parent.children.includes(node.id)) parent.children.push(node.id);
  const session = state.sessions.get(node.session_id);
  if (committed && !known && session && (session.head === node.parent || !session.head)) {
    session.head = node.id;
    session.frame_index = node.frame_index;
    touch("sessions");
  }
  movePanes();
  touch("nodes");
  if (state.panes.some((pane) => lineage(pane.nodeId)[node.frame_index]?.id === node.id)) touch("branch");
}

export function putWorker(worker, down = false) {
  state.workers.set(worker.name, { ...state.workers.get(worker.name), ...worker, ...(down ? { state: "down" } : {}) });
  touch("workers");
}

/** Replace the tree by a freshly read one. */
export function putTree(tree) {
  state.treeReadAt = performance.now();
  const nodes = new Map();
  for (const node of tree.nodes) nodes.set(node.id, { ...node, children: [] });
  for (const node of nodes.values()) nodes.get(node.parent)?.children.push(node.id);
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

/** Panes that follow a session move with its head. */
function movePanes() {
  for (const pane of state.panes) {
    const head = pane.follows ? state.sessions.get(pane.sessionId)?.head : null;
    if (!head || head === pane.nodeId || !state.nodes.has(head)) continue;
    pane.nodeId = head;
    touch("panes");
  }
}
