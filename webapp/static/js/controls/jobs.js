/** The list of jobs: progress, elapsed time, cancel, retry, the whole error. */

import { saveClip } from "../net/clips.js";
import { wayOut } from "../net/words.js";
import { here } from "../state/address.js";
import { showEvaluation } from "../state/evaluations.js";
import { isOver } from "../state/jobs.js";
import { loadInWords, rowsOf } from "../lists/queue.js";
import { letterOf, on, state } from "../state/store.js";
import { badge } from "../ui/colours.js";
import { arrange, attr, fill, h, text } from "../ui/dom.js";
import { progressBar, setProgress } from "../ui/progress.js";
import { clip, clockTime, count, seconds, sessionName, shortId } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { canRetry, cancel, cancelMany, retry } from "./actions.js";
import { cancelEvaluation, nameOf as evaluationName } from "./evaluation.js";

/** @import { Job } from "../state/types.js" */
/** @import { Run } from "../lists/queue.js" */

const MOST = 60;
/** @type {Map<string, HTMLElement>} */
const rows = new Map();

export function buildJobs() {
  const list = h("ol", { class: "job-list", "aria-label": "Jobs: running, waiting, ended" });
  const facts = h("span", { class: "dim" });
  const more = h("p", { class: "hint" });
  const empty = h("p", { class: "hint" }, "Jobs appear here: every create, step, fork and rewind is one.");
  const all = h("button", { class: "button small quiet", onclick: () => cancelMany(unfinished(), "all jobs") }, "Cancel all");
  const refresh = () => {
    const shown = rowsOf(state.jobs.values(), state.sessions, state.evaluations, MOST);
    const open = unfinished().length;
    text(facts, loadInWords(state.jobs.values()) || (shown.length ? "all done" : ""));
    all.hidden = open < 2;
    empty.hidden = shown.length > 0;
    const waiting = open - shown.reduce((n, row) => n + (row.run?.jobs ?? [row.job]).filter((job) => job && !isOver(job)).length, 0);
    text(more, waiting > 0 ? `${count(waiting, "more job")} waiting.` : "");
    arrange(list, rows, shown, (row) => (row.run ? runRow(row.run) : rowOf(/** @type {Job} */ (row.job))));
  };
  on(["jobs", "panes", "ready", "sessions", "evaluations"], refresh);
  setInterval(() => { for (const job of state.jobs.values()) if (job.state === "running") tellTime(rows.get(job.id), job); }, 500);
  return h("section", { class: "jobs", "aria-label": "Jobs" },
    h("div", { class: "panel-head" }, h("h2", {}, "Jobs"), facts, h("span", { class: "spacer" }), all), empty, list, more);
}

function unfinished() {
  return [...state.jobs.values()].filter((job) => !isOver(job));
}

/** A bulk run or an evaluation: one bar for all of it, and one way to stop it. @param {Run} run */
function runRow(run) {
  const row = rows.get(run.id) ?? h("li", { class: "job", "data-job": run.id });
  const { jobs, state: now, done, total, over, failed, evaluation } = run;
  const open = jobs.filter((job) => !isOver(job));
  const all = evaluation ? total : jobs.length;
  const left = () => jobs.map(({ id }) => state.jobs.get(id)).filter((job) => job !== undefined && !isOver(job));
  const cancelIt = () => (evaluation ? cancelEvaluation(evaluation) : cancelMany(/** @type {Job[]} */ (left()), "this bulk run"));
  const name = evaluation ? evaluationName(evaluation) : clip(nameOfJob(jobs[0]), 200);
  const ofEvaluation = Boolean(evaluation || jobs[0]?.evaluation);
  fill(row, [now, failed, all, over < all, open.length > 0, ofEvaluation, name].join("|"), () => [
    h("div", { class: "job-line" }, h("span", { class: `state-dot ${now}` }),
      ofEvaluation ? h("button", { class: "job-kind link", onclick: () => showEvaluation(run.id) }) : h("span", { class: "job-kind" }),
      h("span", { class: "job-session dim", title: name }, failed ? `${failed} ${evaluation ? "errors" : "failed"}` : clip(name, 22)),
      now === "running" || open.length ? h("button", { class: "button small quiet", onclick: cancelIt }, "Cancel") : null),
    over < all && now !== "cancelled" && progressBar(done, total, evaluation ? "Variants with a result" : "Steps of the run done"),
  ]);
  attr(row, "data-state", now);
  tellProgress(row, `${ofEvaluation ? "evaluation" : "bulk run"} ${over}/${all}`, done, total);
  return row;
}

/**
 * How far it is. The row's elements stay: a button that is being pressed must not be replaced.
 * @param {Element} row @param {string} words @param {number} done @param {number} total
 */
function tellProgress(row, words, done, total) {
  text(/** @type {Element} */ (row.querySelector(".job-kind")), words);
  const bar = row.querySelector(".progress");
  if (bar) setProgress(bar, done, total);
}

/** Whose job it is: its session's name; of one that is not listed (bulk), what was asked for. @param {Job} job */
function nameOfJob(job) {
  const session = state.sessions.get(job.session_id);
  if (session) return sessionName(session);
  const { label, new_prompt: newPrompt, prompt } = /** @type {Record<string, any>} */ (job.params);
  return label || newPrompt || prompt || shortId(job.session_id);
}

/** @param {Job} job */
function rowOf(job) {
  const row = rows.get(job.id) ?? h("li", { class: "job", "data-job": job.id });
  const letter = letterOf(job.session_id);
  const { state: now, progress: { done, total }, worker, error } = job;
  const key = [now, total, worker, letter, Boolean(error), nameOfJob(job)];
  fill(row, key.join("|"), () => build(job, letter));
  attr(row, "data-state", job.state);
  tellProgress(row, total > 1 ? `${job.kind} ${done}/${total}` : job.kind, done, total);
  tellTime(row, job);
  return row;
}

/** @param {Job} job @param {string|null} letter */
function build(job, letter) {
  const { done, total } = job.progress;
  const session = state.sessions.get(job.session_id);
  return [
    h("div", { class: "job-line" }, h("span", { class: `state-dot ${job.state}` }), letter && badge(letter),
      h("span", { class: "job-kind" }),
      h("span", { class: "job-session dim", title: session?.prompt ?? "" }, clip(nameOfJob(job), 22)),
      h("time", { class: "dim elapsed" }),
      !isOver(job) && h("button", { class: "button small quiet", onclick: () => cancel(job) }, "Cancel"),
      job.kind === "video" && job.result && saveLink(here(String(job.result.href)), nameOfJob(job)),
      canRetry(job) && h("button", { class: "button small quiet", onclick: () => retry(job) }, icon("retry"), "Retry")),
    job.state === "running" && total > 1 && progressBar(done, total, job.kind === "video" ? "Frames done" : "Steps done"),
    ...errorBox(job),
  ];
}

/** @param {string} href @param {string} name */
function saveLink(href, name) {
  const onclick = (/** @type {Event} */ event) => { event.preventDefault(); saveClip(href, name); };
  return h("a", { class: "button small quiet", href, onclick }, icon("download"), "Save");
}

/** @param {Job} job */
function errorBox(job) {
  if (!job.error || job.state === "cancelled") return []; // somebody wanted it
  const { type, message, context } = job.error;
  const way = wayOut(type, job.error.what_to_do);
  return [h("details", { class: "job-error", open: job.state === "failed" },
    h("summary", {}, type), h("p", {}, message), way && h("p", { class: "dim" }, way),
    Object.keys(context ?? {}).length > 0 && h("pre", { tabindex: "0" }, JSON.stringify(context, null, 1)),
    h("p", { class: "dim" }, `${job.id} · ${job.worker ?? "no worker"}`))];
}

/** @param {HTMLElement|undefined} row @param {Job} job */
function tellTime(row, job) {
  const el = row?.querySelector(".elapsed");
  if (!el) return;
  const until = job.finished ?? Date.now() / 1000;
  if (job.started) text(el, seconds(Math.max(0, until - job.started)));
  else text(el, job.state === "queued" ? "queued" : job.state);
  const { worker, reason } = job.placement ?? {};
  attr(el, "title", `${job.state}; accepted ${clockTime(job.created)}${reason ? `; ${worker}: ${reason}` : ""}`);
}
