/** The list of jobs: progress, elapsed time, cancel, retry, the whole error. */

import { letterOf, on, state } from "../state/store.js";
import { attr, fill, h, text } from "../ui/dom.js";
import { clip, clockTime, seconds, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { canRetry, cancel, retry } from "./actions.js";

const MOST = 60;
const rows = new Map();

export function buildJobs() {
  const list = h("ol", { class: "job-list", "aria-label": "Jobs, newest first" });
  const facts = h("span", { class: "dim" });
  const empty = h("p", { class: "hint" }, "Jobs appear here: every create, step, fork and rewind is one.");
  const refresh = () => {
    const jobs = [...state.jobs.values()].sort((a, b) => b.created - a.created).slice(0, MOST);
    const open = jobs.filter((job) => job.state === "running" || job.state === "queued").length;
    text(facts, open ? `${open} open` : jobs.length ? "all done" : "");
    empty.hidden = jobs.length > 0;
    const wanted = new Set(jobs.map((job) => job.id));
    for (const [id, row] of rows) if (!wanted.has(id)) { row.remove(); rows.delete(id); }
    jobs.forEach((job, index) => {
      const row = rowOf(job);
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    });
  };
  on("jobs panes ready", refresh);
  setInterval(() => { for (const job of state.jobs.values()) if (job.state === "running" && rows.has(job.id)) tellTime(rows.get(job.id), job); }, 500);
  return h("section", { class: "jobs", "aria-label": "Jobs" }, h("div", { class: "panel-head" }, h("h2", {}, "Jobs"), facts), empty, list);
}

function rowOf(job) {
  if (!rows.has(job.id)) rows.set(job.id, h("li", { class: "job", "data-job": job.id }));
  const row = rows.get(job.id);
  const letter = letterOf(job.session_id);
  fill(row, [job.state, job.progress?.done, job.progress?.total, job.worker, letter, Boolean(job.error), sessionName(state.sessions.get(job.session_id))].join("|"), () => build(job, letter));
  attr(row, "data-state", job.state);
  tellTime(row, job);
  return row;
}

function build(job, letter) {
  const { done = 0, total = 0 } = job.progress ?? {};
  const active = job.state === "running" || job.state === "queued";
  const badge = letter ? h("span", { class: `letter small letter-${letter.toLowerCase()}` }, letter) : null;
  const words = total > 1 ? `${job.kind} ${done}/${total}` : job.kind;
  return [
    h("div", { class: "job-line" }, h("span", { class: `state-dot ${job.state}` }), badge,
      h("span", { class: "job-kind" }, words),
      h("span", { class: "job-session dim", title: state.sessions.get(job.session_id)?.prompt ?? "" }, clip(sessionName(state.sessions.get(job.session_id)), 22)),
      h("time", { class: "dim elapsed" }),
      active && h("button", { class: "button small quiet", type: "button", onclick: () => cancel(job) }, "Cancel"),
      job.kind === "video" && job.result?.href && h("a", { class: "button small quiet", href: job.result.href, download: true }, icon("download"), "Save"),
      canRetry(job) && h("button", { class: "button small quiet", type: "button", onclick: () => retry(job) }, icon("retry"), "Retry")),
    job.state === "running" && total > 1 && bar(done, total, job.kind === "video" ? "Frames done" : "Steps done"),
    job.error && errorBox(job),
  ];
}

function bar(done, total, label) {
  const inner = h("span", {});
  inner.style.width = `${(100 * done) / total}%`;
  return h("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": total, "aria-valuenow": done }, inner);
}

function errorBox(job) {
  const { type, message, what_to_do: way, context } = job.error;
  return h("details", { class: "job-error", open: job.state === "failed" },
    h("summary", {}, type), h("p", {}, message), way && h("p", { class: "dim" }, way),
    context && Object.keys(context).length > 0 && h("pre", { tabindex: "0" }, JSON.stringify(context, null, 1)),
    h("p", { class: "dim" }, `${job.id} · ${job.worker ?? "no worker"}`));
}

function tellTime(row, job) {
  const el = row.querySelector(".elapsed");
  if (!el) return;
  const until = job.finished ?? Date.now() / 1000;
  if (job.started) text(el, seconds(Math.max(0, until - job.started)));
  else text(el, job.state === "queued" ? "queued" : job.state);
  attr(el, "title", `${job.state}; accepted ${clockTime(job.created)}${job.placement?.reason ? `; ${job.placement.worker}: ${job.placement.reason}` : ""}`);
}
