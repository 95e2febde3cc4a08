/** The jobs as one list: what runs first, then what waits in its order, then what has ended; a bulk run is one row. */

import { isOver } from "../state/jobs.js";

/**
 * @import { Evaluation, Job, Session } from "../state/types.js"
 * @typedef {Object} Run  jobs of one bulk run
 * @property {string} id
 * @property {Job[]} jobs  in the order they were accepted
 * @property {Job["state"]} state  of the whole
 * @property {number} done  steps of all of them
 * @property {number} total
 * @property {number} over  jobs that have ended
 * @property {number} failed
 * @property {number} created
 * @property {Evaluation|null} evaluation  whose variants they are
 * @typedef {{id: string, job?: Job, run?: Run}} Row  one of the two
 */

/** Bulk jobs on one checkpoint that were accepted further apart are two runs. */
const APART_S = 60;
const FIRST = { running: 0, queued: 1, succeeded: 2, failed: 2, cancelled: 2 };

/**
 * @param {Iterable<Job>} jobs @param {Map<string, Session>} sessions @param {Map<string, Evaluation>} evaluations @param {number} most
 * @returns {Row[]}
 */
export function rowsOf(jobs, sessions, evaluations, most) {
  const all = [...jobs];
  const single = all.filter((job) => !job.bulk).map((job) => ({ what: job, row: { id: job.id, job } }));
  const bulk = [...runsOf(all.filter((job) => job.bulk && !job.evaluation), sessions),
    ...evaluationsOf(all.filter((job) => job.evaluation), evaluations)];
  const runs = bulk.map((run) => ({ what: run, row: { id: run.id, run } }));
  return [...single, ...runs].sort((a, b) => inOrder(a.what, b.what)).slice(0, most).map(({ row }) => row);
}

/** @param {{state: Job["state"], created: number}} a @param {{state: Job["state"], created: number}} b */
function inOrder(a, b) {
  const byState = FIRST[a.state] - FIRST[b.state];
  return byState || (FIRST[a.state] === 1 ? a.created - b.created : b.created - a.created);
}

/** @param {Job[]} jobs @param {Map<string, Session>} sessions @returns {Run[]} */
function runsOf(jobs, sessions) {
  /** @type {Map<string, Job[][]>} */
  const runs = new Map();
  for (const job of jobs.sort((a, b) => a.created - b.created)) {
    const source = String(job.params.checkpoint_id ?? sessions.get(job.session_id)?.parent_checkpoint ?? job.session_id);
    const of = runs.get(source) ?? [];
    runs.set(source, of);
    const last = of[of.length - 1];
    if (last && job.created - last[last.length - 1].created <= APART_S) last.push(job);
    else of.push([job]);
  }
  return [...runs.values()].flat().map(asRun);
}

/** One run for each evaluation that is under way, or of which jobs are known. @param {Job[]} jobs @param {Map<string, Evaluation>} evaluations */
function evaluationsOf(jobs, evaluations) {
  const found = Map.groupBy(jobs, (job) => job.evaluation ?? "");
  for (const { id, state: now } of evaluations.values()) if (now === "running" && !found.has(id)) found.set(id, []);
  return [...found].map(([id, own]) => {
    const evaluation = evaluations.get(id);
    return evaluation ? ofEvaluation(evaluation, own) : { ...asRun(own), id };
  });
}

/** @param {Evaluation} evaluation @param {Job[]} jobs @returns {Run} */
function ofEvaluation(evaluation, jobs) {
  const { id, created, done, total, errors } = evaluation;
  const state = evaluation.state === "running" ? "running" : evaluation.state === "finished" ? "succeeded" : "cancelled";
  return { id, jobs, state, over: done, failed: errors, created, done, total, evaluation };
}

/** @param {Job[]} jobs @returns {Run} */
function asRun(jobs) {
  const over = jobs.filter(isOver);
  const failed = jobs.filter((job) => job.state === "failed").length;
  const is = (/** @type {Job["state"]} */ state) => jobs.some((job) => job.state === state);
  const ended = failed ? "failed" : is("cancelled") ? "cancelled" : "succeeded";
  const state = is("running") || (is("queued") && over.length) ? "running" : is("queued") ? "queued" : ended;
  const sum = (/** @type {(job: Job) => number} */ value) => jobs.reduce((all, job) => all + value(job), 0);
  return { id: `run-${jobs[0].id}`, jobs, state, over: over.length, failed, created: jobs[0].created, evaluation: null,
    done: sum((job) => (isOver(job) ? job.progress.total : job.progress.done)), total: sum((job) => job.progress.total) };
}

/** How many run and wait: the one count that the whole page shows. @param {Iterable<Job>} jobs */
export function load(jobs) {
  let running = 0;
  let queued = 0;
  for (const job of jobs) {
    if (job.state === "running") running += 1;
    else if (job.state === "queued") queued += 1;
  }
  return { running, queued };
}

/** @param {Iterable<Job>} jobs */
export function loadInWords(jobs) {
  const { running, queued } = load(jobs);
  return running || queued ? `${running} running · ${queued} queued` : "";
}
