/** Loading: what is there at the start, one tree at a time, and everything again after an outage. */

import { clock, followLive, play, seek } from "../state/clock.js";
import { putEvaluation } from "../state/evaluations.js";
import { expectTree, giveUpTree, putBeside, putJob, putSession, putTree, putWorker } from "../state/events.js";
import { isOver } from "../state/jobs.js";
import { readLink } from "../state/link.js";
import { open, openAll, openBeside, setMode, startShow } from "../state/panes.js";
import { emit, state, touch } from "../state/store.js";
import { problem, toast } from "../ui/toasts.js";
import * as api from "./api.js";

/** @import { Session } from "../state/types.js" */
/** @typedef {ReturnType<typeof readLink>} Link */

const WORKERS_EVERY_MS = 4000;
const PAGE = 500; // the most that the server gives at once

/** Everything at the start. The link decides the tree, panes, frame and mode; else the newest session does. */
export async function boot() {
  const link = readLink();
  await loadSurroundings();
  await openLink(link);
  state.ready = true;
  touch("ready");
}

/** Show what a link asks for; without one the newest session. A link that leads nowhere shows nothing else in its place. @param {Link} link */
async function openLink(link) {
  const session = link.session ? await sessionOf(link.session) : newest();
  if (session) await openTreeOf(session.id, { link });
  else leaveTree(link.session ? "dead" : "empty");
}

/** @param {"dead"|"empty"} status */
function leaveTree(status) {
  Object.assign(state, { treeStatus: status, panes: [], selected: null, treeId: null, nodes: new Map() });
  touch("tree", "nodes", "panes", "selection");
}

/** The newest session, in the place of a link that led nowhere. */
export function showNewest() {
  return openLink(readLink(""));
}

/** A session by its id, also one that was not listed. @param {string} id */
async function sessionOf(id) {
  if (!state.sessions.has(id)) await api.get(`/api/sessions/${encodeURIComponent(id)}`).then(putSession, () => {});
  return state.sessions.get(id);
}

/** Back and forward in the browser. @param {Link} link */
export async function travel(link) {
  const session = link.session ? await sessionOf(link.session) : null;
  if (!session || session.tree_id !== state.treeId) return openLink(link);
  await loadLinked(link);
  state.view = "videos";
  state.evaluation = null;
  state.mode = "side";
  showFrom(session.id, { ...link, play: false, frame: link.frame ?? clock.frame }, false);
  touch("panes", "view", "mode", "selection");
}

/** Sessions, jobs, workers, samples, model: each may fail alone. */
async function loadSurroundings() {
  const parts = [
    api.list(`/api/sessions?limit=${PAGE}`).then((items) => items.forEach(putSession)),
    loadJobs(),
    api.list("/api/evaluations?state=running&limit=100", 1).then((items) => items.forEach(putEvaluation)),
    api.list("/api/workers").then((items) => { state.workers.clear(); items.forEach(putWorker); }),
    api.list("/api/samples").then((items) => { state.samples = items; }),
    api.get("/api/model").then((model) => { state.model = model; }),
  ];
  const results = await Promise.allSettled(parts);
  const failed = results.find((result) => result.status === "rejected");
  if (failed && results.every((result) => result.status === "rejected")) problem(failed.reason);
  touch("sessions", "jobs", "workers", "samples", "model");
}

/** Every job that runs or waits, and the latest of those that have ended. What is listed no more is forgotten. */
async function loadJobs() {
  const before = [...state.jobs.values()].filter((job) => !isOver(job)).map((job) => job.id);
  const [latest, ...unfinished] = await Promise.all([api.list("/api/jobs?limit=100", 1), api.list(`/api/jobs?state=queued&limit=${PAGE}`),
    api.list(`/api/jobs?state=running&limit=${PAGE}`)]);
  const found = [...latest.reverse(), ...unfinished.flat()];
  found.forEach((job) => putJob(job));
  const listed = new Set(found.map((job) => job.id));
  for (const id of before) if (!listed.has(id)) state.jobs.delete(id);
  touch("jobs");
}

/** Bulk sessions are listed when somebody asks for them: there can be thousands. */
export async function loadBulkSessions() {
  (await api.list(`/api/sessions?bulk=true&limit=${PAGE}`)).forEach(putSession);
}

/** Heartbeats (memory, how busy a device is) are no events: ask for them while somebody looks. */
export function watchWorkers() {
  setInterval(() => {
    if (document.hidden || state.connection !== "live") return;
    api.get("/api/workers").then(({ items }) => items.forEach(putWorker), () => {});
  }, WORKERS_EVERY_MS);
}

function newest() {
  const planted = [...state.sessions.values()].filter((session) => session.tree_id);
  return planted.sort((a, b) => b.created - a.created)[0];
}

/**
 * Read a session's tree and show it. `fresh`: just created, its root is not there yet; `live`: show the newest frame as it comes.
 * @param {string} sessionId @param {{link?: Link, fresh?: boolean, live?: boolean}} [options]
 */
export async function openTreeOf(sessionId, { link, fresh = false, live = false } = {}) {
  const session = state.sessions.get(sessionId);
  if (fresh && !session?.tree_id) {
    state.awaited = sessionId;
    touch("tree");
    return;
  }
  if (state.treeStatus !== "ready") state.treeStatus = "loading";
  touch("tree");
  expectTree();
  try {
    const tree = await api.tree(sessionId);
    state.panes = [];
    state.selected = null;
    state.compare = null;
    putTree(tree);
    await loadLinked(link);
    showFrom(sessionId, link, live);
  } catch (error) {
    giveUpTree();
    state.treeStatus = "error";
    state.treeError = /** @type {Error} */ (error);
    problem(error, { label: "Try again", run: () => openTreeOf(sessionId, { link }) });
  }
  touch("tree", "panes", "reveal");
}

/** A link may compare branches of several trees: read the others. What is not there is said later. @param {Link|undefined} link */
async function loadLinked(link) {
  for (const { nodeId } of link?.panes ?? []) {
    if (state.nodes.has(nodeId)) continue;
    await api.get(`/api/checkpoints/${encodeURIComponent(nodeId)}`)
      .then((node) => api.tree(node.session_id)).then(putBeside, () => {});
  }
}

/** Open a session's head beside what is in the panes, also that of another tree. @param {Session} session */
export async function openSessionBeside(session) {
  if (!session.head) return;
  if (!state.nodes.has(session.head)) putBeside(await api.tree(session.id));
  openBeside(session.head, session.id);
  state.view = "videos";
  touch("view");
  startShow();
}

/** @param {string} sessionId @param {Link|undefined} link @param {boolean} live */
function showFrom(sessionId, link, live) {
  const asked = link?.panes ?? [];
  const wanted = asked.filter(({ nodeId }) => state.nodes.has(nodeId));
  if (asked.length > wanted.length && wanted.length) toast("Some branches of the link are not there any more.", { kind: "bad" });
  const session = state.sessions.get(sessionId);
  if (asked.length && !wanted.length) { // nothing else is shown in their place, and the address stays
    Object.assign(state, { treeStatus: "lost", panes: [], selected: state.treeId });
    return;
  }
  if (wanted.length) openAll(wanted);
  else if (session?.head && state.nodes.has(session.head)) open(session.head, { at: 0, sessionId });
  if (link?.mode) setMode(link.mode);
  if (link?.view) state.view = link.view;
  state.evaluation = link?.evaluation ?? state.evaluation;
  state.selected = state.nodes.has(link?.node ?? "") ? link?.node ?? null : state.panes[0]?.nodeId ?? state.treeId;
  if (live) followLive();
  else if (typeof link?.frame === "number") {
    seek(link.frame);
    if (link.play) play();
  } else if (session?.running_job || session?.queued) followLive();
  else startShow();
}

/**
 * Show what variants of an evaluation made, in whichever tree they grew; of several the first two beside each other.
 * @param {{head: string|null, session_id: string|null}[]} rows @param {{beside?: boolean}} [options]  beside what is open
 */
export async function openResults(rows, { beside = false } = {}) {
  const entries = rows.flatMap(({ head, session_id: sessionId }) => (head && sessionId ? [{ nodeId: head, sessionId }] : []));
  const session = await sessionOf(entries[0]?.sessionId ?? "");
  if (!session) throw new Error("What this variant made is not there any more.");
  state.view = "videos";
  if (!entries.every(({ nodeId }) => state.nodes.has(nodeId))) {
    await openTreeOf(session.id, { link: { ...readLink(""), panes: entries } });
  } else {
    if (entries.length > 1) openAll(entries);
    else if (beside) openBeside(entries[0].nodeId, entries[0].sessionId);
    else open(entries[0].nodeId, { sessionId: entries[0].sessionId });
    state.selected = entries[0].nodeId;
    startShow();
  }
  touch("view", "selection", "reveal");
}

/** A new session's first job ended: its tree can be opened. */
export function openAwaited() {
  const session = state.sessions.get(state.awaited ?? "");
  if (session?.state === "closed") giveUpAwaiting();
  if (!session?.tree_id || !session.head) return;
  state.awaited = null;
  openTreeOf(session.id, { live: true });
}

/** The first job failed (its toast says why): back to what was on screen. */
function giveUpAwaiting() {
  state.awaited = null;
  touch("tree", "panes");
}

/** After an outage: read again what may have changed; the replay of events fills the rest. */
export async function resync() {
  await loadSurroundings();
  emit("resync");
  if (state.treeStatus === "dead") return;
  const session = [...state.sessions.values()].find((s) => s.tree_id && s.tree_id === state.treeId);
  if (!session) return boot();
  expectTree();
  try {
    return putTree(await api.tree(session.id));
  } finally {
    giveUpTree();
  }
}
