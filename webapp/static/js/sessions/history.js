/** What happened in the subject's session, the newest first, and the way back from it. */

import * as api from "../net/api.js";
import { forward, rewind } from "../controls/actions.js";
import { currentTab } from "../controls/tabs.js";
import { wayForward } from "../lists/forward.js";
import { select } from "../state/selection.js";
import { on, state } from "../state/store.js";
import { subject } from "../state/subject.js";
import { fill, h, text } from "../ui/dom.js";
import { clip, count, dateTime, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { problem } from "../ui/toasts.js";

/** @import { Job, Session } from "../state/types.js" */

const MOST = 100;

export function buildHistory() {
  const whose = h("p", { class: "form-for" });
  const ahead = h("button", { class: "button small", onclick: forward }, icon("last"), "Forward again (F)");
  const list = h("ol", { class: "history" });
  /** @type {Job[]} jobs of the session that were read */
  let read = [];
  let about = "";
  const refresh = () => {
    if (currentTab() !== "history") return;
    const session = subject()?.session ?? null;
    text(whose, session ? sessionName(session) : "No session is shown.");
    ahead.hidden = !wayForward(session);
    if (session && session.id !== about) {
      about = session.id;
      read = [];
      api.list(`/api/jobs?session=${session.id}&limit=${MOST}`, 1).then((jobs) => {
        if (about === session.id) read = jobs;
        refresh();
      }, problem);
    }
    const known = new Map(read.map((job) => [job.id, job]));
    for (const job of state.jobs.values()) if (job.session_id === session?.id && job.kind !== "video") known.set(job.id, job);
    const jobs = [...known.values()].sort((a, b) => b.created - a.created).slice(0, MOST);
    fill(list, JSON.stringify([jobs.map((job) => [job.id, job.state, job.progress]), session?.head]), () => jobs.map((job) => entry(job, session)));
  };
  on(["tab", "jobs", "sessions", "selection", "nodes", "panes", "active"], refresh);
  return h("div", { class: "form" }, h("div", { class: "field-line" }, whose, h("span", { class: "spacer" }), ahead), list,
    h("p", { class: "hint" }, "Marks, notes and rewinds are taken back with Ctrl+Z. A rewind deletes nothing: what it leaves stays in the tree."));
}

/** @param {Job} job @param {Session|null} session */
function entry(job, session) {
  const made = madeBy(job);
  const to = state.nodes.get(made ?? "");
  const before = to?.parent && job.kind === "step" ? firstBefore(job) : null;
  return h("li", { class: "history-entry" }, h("span", { class: `state-dot ${job.state}` }),
    h("span", { class: "history-words" }, to ? h("button", { class: "link", onclick: () => select(to.id) }, inWords(job)) : inWords(job),
      h("span", { class: "dim" }, dateTime(job.created))),
    before && session?.head === made && h("button", { class: "button small quiet", title: "Move the head back to before it",
      onclick: () => rewind(session.id, { checkpoint_id: before }) }, "Back to before"));
}

/** The checkpoint at which the session stood after a job. @param {Job} job @returns {string|null} */
function madeBy({ result, params }) {
  return /** @type {any} */ (result)?.head ?? /** @type {any} */ (result)?.checkpoint_id ?? /** @type {any} */ (params).checkpoint_id ?? null;
}

/** The checkpoint before the first step of a job. @param {Job} job */
function firstBefore({ result }) {
  const steps = /** @type {any} */ (result)?.steps;
  return state.nodes.get(steps?.[0]?.checkpoint_id ?? "")?.parent ?? null;
}

/** @param {Job} job */
function inWords({ kind, params, progress, state: now, result }) {
  const { prompt, new_prompt: other, n_steps: back, checkpoint_id: at, label, actions } = /** @type {Record<string, any>} */ (params);
  const step = state.nodes.get(/** @type {any} */ (result)?.head ?? at ?? "")?.frame_index;
  const wish = prompt ?? other;
  const said = wish ? ` “${clip(wish, 40)}”` : "";
  const ended = now === "succeeded" ? "" : `, ${now}`;
  if (kind === "step") return `${count(progress.done, "step")}${actions ? " with given actions" : ""}${said}${ended}`;
  if (kind === "rewind") return `${back ? `back ${count(back, "step")}` : "moved"}${step === undefined ? "" : ` to step ${step}`}${ended}`;
  if (kind === "fork") return `forked${step === undefined ? "" : ` at step ${step}`}${said}${ended}`;
  return `${kind}${label ? ` “${clip(label, 40)}”` : ""}${said}${ended}`;
}
