/** What the reader can make the server do. Each answers true when the request was accepted; failures become toasts. */

import * as api from "../net/api.js";
import { openTreeOf } from "../net/load.js";
import { followLive } from "../state/clock.js";
import { putJob, putNode, putSession } from "../state/events.js";
import { followHead, open, openBeside } from "../state/panes.js";
import { state } from "../state/store.js";
import { confirm } from "../ui/confirm.js";
import { count } from "../ui/format.js";
import { problem, toast } from "../ui/toasts.js";
import { showTab } from "./tabs.js";

async function attempt(work, action) {
  try {
    await work();
    return true;
  } catch (error) {
    problem(error, action ?? wayOut(error));
    return false;
  }
}

/** A button for errors that the page itself can help with. */
function wayOut(error) {
  if (error.code === "SessionLimitReached") return { label: "Close a session", run: () => showTab("sessions") };
  if (error.code === "SessionClosed") return { label: "Sessions", run: () => showTab("sessions") };
  return undefined;
}

/** Plant a tree: a session, and at once its first steps. */
export function createSession({ prompt, initialFrame, seed, label, steps }) {
  return attempt(async () => {
    const { session, job } = await api.post("/api/sessions", { prompt, initial_frame: initialFrame, ...optional({ seed, label }) });
    putSession(session);
    putJob(job);
    if (steps > 0) putJob((await api.post(`/api/sessions/${session.id}/step`, { steps })).job);
    await openTreeOf(session.id, { fresh: true });
  });
}

/** @param {{steps: number, prompt?: string, seed?: number, actions?: number[][][]}} body */
export function step(sessionId, body) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/step`, body)).job);
    followHead();
    followLive();
  });
}

/** Fork a checkpoint; the new branch opens beside the others. */
export function fork(sessionId, { checkpointId, prompt, seed, promptMode, steps, label }) {
  return attempt(async () => {
    const body = { checkpoint_id: checkpointId, prompt_mode: promptMode, steps, ...optional({ new_prompt: prompt, new_seed: seed, label }) };
    const { session, job } = await api.post(`/api/sessions/${sessionId}/fork`, body);
    putSession({ ...session, head: session.head ?? checkpointId });
    putJob(job);
    openBeside(checkpointId, session.id);
    state.panes[state.active].follows = true;
    if (steps > 0) followHead();
    toast(`Forked at step ${state.nodes.get(checkpointId)?.frame_index ?? "?"}`, { kind: "good" });
  });
}

/** Move a session's head back, by steps or to a checkpoint. */
export function rewind(sessionId, target) {
  return attempt(async () => {
    const { job } = await api.post(`/api/sessions/${sessionId}/rewind`, target);
    putJob(job);
    toast(target.n_steps ? `Rewinding ${count(target.n_steps, "step")}` : "Rewinding to the checkpoint");
  });
}

/** Name the head and wait until it is stored. */
export function checkpoint(sessionId, label) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/checkpoint`, optional({ label }))).job);
  });
}

export async function cancel(job) {
  const detail = "The session stays at its last committed checkpoint; steps that are done are kept.";
  if (!await confirm(`Cancel this ${job.kind}?`, detail, "Cancel the job")) return false;
  return attempt(async () => {
    putJob(await api.remove(`/api/jobs/${job.id}`));
  });
}

/** Send a failed or cancelled job once more. Steps that are committed are not run again. */
export function retry(job) {
  return attempt(async () => {
    const { job: again } = await api.post("/api/jobs", { session_id: job.session_id, ...rest(job) });
    putJob(again);
    toast(`${again.kind} sent again`, { kind: "good" });
  });
}

/** What is left of a job. A fork's session exists already: only its steps are left. */
function rest(job) {
  const { kind, params } = job;
  const done = job.progress?.done ?? 0;
  if (kind === "rewind") return { kind, params: optional({ n_steps: params.n_steps, checkpoint_id: params.checkpoint_id }) };
  if (kind !== "step" && kind !== "fork") return { kind, params: optional({ label: params.label }) };
  const { prompt, seed, state: robot } = params;
  return { kind: "step", params: optional({ steps: Math.max(1, params.steps - done), actions: params.actions?.slice(done), prompt, seed, state: robot }) };
}

/** Does it make sense to send this job again? A session that could not be created has to be started anew. */
export function canRetry(job) {
  return ["failed", "cancelled"].includes(job.state) && ["step", "fork", "rewind", "checkpoint"].includes(job.kind)
    && (job.kind !== "fork" || job.params.steps > 0);
}

export async function closeSession(session) {
  const detail = "Its slot becomes free and unfinished jobs are cancelled. The tree and all checkpoints stay; it can be opened again.";
  if (!await confirm("Close this session?", detail, "Close it")) return false;
  return attempt(async () => putSession((await api.remove(`/api/sessions/${session.id}`)).session));
}

export function reopenSession(session) {
  return attempt(async () => putSession((await api.post(`/api/sessions/${session.id}/reopen`)).session));
}

/** Change a node's label, bookmark, failed mark or score. */
export function patchNode(id, change) {
  return attempt(async () => {
    putNode(await api.patch(`/api/nodes/${id}`, change));
  });
}

/** Keep a checkpoint's state in a worker's memory, or let it go. */
export function setPinned(id, pinned) {
  return attempt(async () => {
    putNode(await api.post(`/api/checkpoints/${id}/${pinned ? "pin" : "unpin"}`));
    toast(pinned ? "Pinned: its state stays in a worker's memory." : "Unpinned: it stays stored.", { kind: "good" });
  });
}

/** Open a session: its tree, and its head in the active pane. */
export async function showSession(session) {
  if (session.tree_id !== state.treeId) await openTreeOf(session.id);
  else if (session.head) open(session.head, { sessionId: session.id });
}

function optional(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ""));
}
