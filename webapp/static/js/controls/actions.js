/** What the reader can make the server do. Failures become toasts. */

import * as api from "../net/api.js";
import { openTreeOf } from "../net/load.js";
import { putJob, putSession } from "../state/events.js";
import { wayForward } from "../lists/forward.js";
import { cameToNothing } from "../state/jobs.js";
import { followHead, open, openBeside } from "../state/panes.js";
import { activeSession, state, touch } from "../state/store.js";
import { remember, undo } from "../state/undo.js";
import { confirm } from "../ui/confirm.js";
import { count } from "../ui/format.js";
import { showOnFields } from "../ui/draft-form.js";
import { problem, toast } from "../ui/toasts.js";
import { showTab } from "./tabs.js";

/**
 * @import { Problem } from "../net/api.js"
 * @import { Job, Node, Schemas, Session } from "../state/types.js"
 * @typedef {Partial<Schemas["StepBody"]>} StepBody
 * @typedef {Partial<Schemas["ForkBody"]> & {checkpoint_id: string}} ForkBody
 */

/**
 * Do it; whether it was done. What is wrong with a field of `form` is said there, all else in a message.
 * @param {() => Promise<unknown>} work @param {HTMLFormElement} [form]
 */
async function attempt(work, form) {
  try {
    await work();
    return true;
  } catch (error) {
    if (!form || !showOnFields(form, /** @type {Problem} */ (error))) problem(error, wayOut(/** @type {Problem} */ (error)));
    return false;
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
 * @param {Partial<Schemas["CreateSession"]>} body @param {number} steps @param {HTMLFormElement} [form]
 */
export function createSession(body, steps, form) {
  return attempt(async () => {
    const { session, job } = await api.post("/api/sessions", { ...optional(body), prompt: body.prompt });
    putSession(session);
    putJob(job);
    if (steps > 0) putJob((await api.post(`/api/sessions/${session.id}/step`, { steps })).job);
    await openTreeOf(session.id, { fresh: true });
  }, form);
}

/** @param {string} sessionId @param {StepBody} body @param {HTMLFormElement} [form] */
export function step(sessionId, body, form) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/step`, body)).job);
    followHead();
  }, form);
}

/** Fork a checkpoint; the new branch opens beside the others. @param {Node} node @param {ForkBody} body @param {HTMLFormElement} [form] */
export function fork(node, body, form) {
  return attempt(async () => {
    await branch(node, body);
    if (body.steps) followHead();
    toast(`Forked at step ${node.frame_index}`, { kind: "good" });
  }, form);
}

/** Go another way from an old checkpoint: fork there with these steps. @param {Node} node @param {StepBody} body @param {HTMLFormElement} [form] */
export function forkAndStep(node, { steps, actions, prompt, seed }, form) {
  return attempt(async () => {
    await branch(node, { checkpoint_id: node.id, steps: steps ?? undefined, actions, new_prompt: prompt, new_seed: seed });
    followHead();
    toast(`Forked at step ${node.frame_index}`, { kind: "good", more: "The session that made this checkpoint stays as it is." });
  }, form);
}

/** @param {Node} node @param {ForkBody} body */
async function branch(node, body) {
  const { session, job } = await api.post(`/api/sessions/${node.session_id}/fork`, optional(body));
  putSession({ ...session, head: session.head ?? node.id });
  putJob(job);
  openBeside(node.id, session.id);
  state.panes[state.active].follows = true;
  state.selected = node.id;
  touch("selection", "nodes");
}

/**
 * Move a session's head back, by steps or to a checkpoint; Ctrl+Z and F go forward again.
 * @param {string} sessionId @param {Partial<Schemas["RewindBody"]>} target
 */
export function rewind(sessionId, target) {
  const before = state.sessions.get(sessionId)?.head;
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/rewind`, target)).job);
    const words = target.n_steps ? `Rewinding ${count(target.n_steps, "step")}` : "Rewinding to the checkpoint";
    const entry = remember({ words, run: () => before && moveTo(sessionId, before) });
    toast(words, { key: "rewind", action: { label: "Forward again (F)", run: () => undo(entry) } });
  });
}

/** Forward again after a rewind, to the end of what the session made there. */
export function forward() {
  const session = activeSession();
  const node = wayForward(session);
  if (!session || !node) return toast("There is no way forward: the session stands at its end.", { key: "forward" });
  return moveTo(session.id, node.id);
}

/** @param {string} sessionId @param {string} checkpointId */
function moveTo(sessionId, checkpointId) {
  return attempt(async () => {
    putJob((await api.post(`/api/sessions/${sessionId}/rewind`, { checkpoint_id: checkpointId })).job);
    toast(`Forward again to step ${state.nodes.get(checkpointId)?.frame_index ?? "?"}`, { kind: "good", key: "rewind" });
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

const AT_ONCE = 8;

/** @param {Job[]} jobs @param {string} what  they are, in words */
export async function cancelMany(jobs, what) {
  const detail = "Every session stays at its last committed checkpoint; steps that are done are kept.";
  if (!await confirm(`Cancel ${what}?`, detail, `Cancel ${count(jobs.length, "job")}`)) return;
  const left = [...jobs].sort((a, b) => b.created - a.created); // the last first: none of them starts meanwhile
  await attempt(() => Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let job = left.shift(); job; job = left.shift()) putJob(await api.remove(`/api/jobs/${job.id}`));
  })));
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
