/** What the reader can make the server do. Failures become toasts. */

import * as api from "../net/api.js";
import { openTreeOf } from "../net/load.js";
import { putJob, putSession } from "../state/events.js";
import { cameToNothing } from "../state/jobs.js";
import { followHead, open, openBeside } from "../state/panes.js";
import { state } from "../state/store.js";
import { confirm } from "../ui/confirm.js";
import { count } from "../ui/format.js";
import { problem, toast } from "../ui/toasts.js";
import { showTab } from "./tabs.js";

/**
 * @import { Problem } from "../net/api.js"
 * @import { Job, Schemas, Session } from "../state/types.js"
 * @typedef {Partial<Schemas["StepBody"]>} StepBody
 * @typedef {Partial<Schemas["ForkBody"]> & {checkpoint_id: string, steps: number}} ForkBody
 */

/** @param {() => Promise<unknown>} work */
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    problem(error, wayOut(/** @type {Problem} */ (error)));
  }
}

/** A button for errors that the page itself can help with. @param {Problem} error */
function wayOut(error) {
  if (error.code === "SessionLimitReached") return { label: "Close a session", run: () => showTab("sessions") };
  if (error.code === "SessionClosed") return { label: "Sessions", run: () => showTab("sessions") };
  return undefined;
}

/**
 * Plant a tree: a session, and at once its first steps.
 * @param {Partial<Schemas["CreateSession"]>} body @param {number} steps
 */
export function createSession(body, steps) {
  return attempt(async () => {
    const { session, job } = await api.post("/api/sessions", { ...optional(body), prompt: body.prompt });
    putSession(session);
    putJob(job);
    if (steps > 0) putJob((await api.post(`/api/sessions/${session.id}/step`, { steps })).job);
    await openTreeOf(session.id, { fresh: true });
  });
}

/** @param {string} sessionId @param {StepBody} body */
export function step(sessionId, body) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/step`, body)).job);
    followHead();
  });
}

/** Fork a checkpoint; the new branch opens beside the others. @param {string} sessionId @param {ForkBody} body */
export function fork(sessionId, body) {
  return attempt(async () => {
    const { checkpoint_id: source, steps } = body;
    const { session, job } = await api.post(`/api/sessions/${sessionId}/fork`, optional(body));
    putSession({ ...session, head: session.head ?? source });
    putJob(job);
    openBeside(source, session.id);
    state.panes[state.active].follows = true;
    if (steps > 0) followHead();
    toast(`Forked at step ${state.nodes.get(source)?.frame_index ?? "?"}`, { kind: "good" });
  });
}

/**
 * Move a session's head back, by steps or to a checkpoint.
 * @param {string} sessionId @param {Partial<Schemas["RewindBody"]>} target
 */
export function rewind(sessionId, target) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/rewind`, target)).job);
    toast(target.n_steps ? `Rewinding ${count(target.n_steps, "step")}` : "Rewinding to the checkpoint");
  });
}

/** Wait until the head is stored. @param {string} sessionId */
export function checkpoint(sessionId) {
  return attempt(async () => putJob((await api.post(`/api/sessions/${sessionId}/checkpoint`)).job));
}

/** @param {Job} job */
export async function cancel(job) {
  const detail = "The session stays at its last committed checkpoint; steps that are done are kept.";
  if (await confirm(`Cancel this ${job.kind}?`, detail, "Cancel the job")) await attempt(async () => putJob(await api.remove(`/api/jobs/${job.id}`)));
}

/** Send a failed or cancelled job once more. Steps that are committed are not run again. @param {Job} job */
export function retry(job) {
  return attempt(async () => {
    const { job: again } = await api.post("/api/jobs", { session_id: job.session_id, ...rest(job) });
    putJob(again);
    toast(`${again.kind} sent again`, { kind: "good" });
  });
}

/** What is left of a job. A fork's session exists already: only its steps are left. @param {Job} job */
function rest({ kind, params, progress }) {
  const { n_steps, checkpoint_id, label, steps, actions, prompt, seed, state: robot } = /** @type {Record<string, any>} */ (params);
  if (kind === "rewind") return { kind, params: optional({ n_steps, checkpoint_id }) };
  if (kind === "checkpoint") return { kind, params: optional({ label }) };
  const left = { steps: Math.max(1, steps - progress.done), actions: actions?.slice(progress.done) };
  return { kind: "step", params: optional({ ...left, prompt, seed, state: robot }) };
}

/** Does it make sense to send this job again? A session that could not be created has to be started anew. @param {Job} job */
export function canRetry(job) {
  return cameToNothing(job) && ["step", "fork", "rewind", "checkpoint"].includes(job.kind) && (job.kind !== "fork" || Number(job.params.steps) > 0);
}

/** @param {Session} session */
export async function closeSession(session) {
  const detail = "Its slot becomes free and unfinished jobs are cancelled. The tree and all checkpoints stay; it can be opened again.";
  if (!await confirm("Close this session?", detail, "Close it")) return;
  await attempt(async () => putSession((await api.remove(`/api/sessions/${session.id}`)).session));
}

/** @param {Session} session */
export function reopenSession(session) {
  return attempt(async () => putSession((await api.post(`/api/sessions/${session.id}/reopen`)).session));
}

/** Open a session: its tree, and its head in the active pane. @param {Session} session */
export async function showSession(session) {
  if (session.tree_id !== state.treeId) await openTreeOf(session.id);
  else if (session.head) open(session.head, { sessionId: session.id });
}

/** The fields that say something. @param {Object} fields */
function optional(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== ""));
}
