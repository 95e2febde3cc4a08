/** One evaluation: how far it is, how often each group succeeded, every variant, and what can be done. */

import { loadEvaluation, planOf, rowsBetween, summaryOf } from "../net/evaluations.js";
import { cancelEvaluation, nameOf, resumeEvaluation } from "../controls/evaluation.js";
import { openResults } from "../net/load.js";
import { here } from "../state/address.js";
import { isUnderWay, showEvaluation } from "../state/evaluations.js";
import { on, state } from "../state/store.js";
import { attr, fill, h, text } from "../ui/dom.js";
import { progressBar } from "../ui/progress.js";
import { problem, toast } from "../ui/toasts.js";
import { buildBars } from "./bars.js";
import { buildMatrix } from "./matrix.js";
import { conditionsOf, rangesOf, seedsTried, sheetOf, sheetsOf } from "./plan.js";
import { CHIPS, countsInWords, rateInWords, stateInWords } from "./words.js";

/**
 * @import { Plan, Row, Summary } from "../net/evaluations.js"
 * @import { Evaluation } from "../state/types.js"
 * @typedef {Object} Shown  what was read of the evaluation on screen
 * @property {string} id
 * @property {Plan|null} plan
 * @property {Summary|null} summary
 * @property {Map<number, Row>} rows  of the sheet
 * @property {{across: number, down: number}} at
 * @property {number} columns  seeds side by side on the sheet; 0: not read yet
 * @property {number} done  results when it was last read; -1: never
 */

const REST_MS = 1000;
const REST_TIMES = 4; // a server that takes long for its answers is asked less often

export function buildDetail() {
  const head = h("div", { class: "eval-title" });
  const bar = h("div", { class: "eval-progress" });
  const bars = buildBars();
  const matrix = buildMatrix({ turn, open: (row, beside) => openResults([row], { beside }).catch(problem),
    resized: () => refresh() });
  const el = h("div", { class: "eval-detail" }, head, bar, bars.el, matrix.el);
  /** @type {Shown} */
  let shown = fresh("");
  let reading = false;
  let restUntil = 0;
  function turn(/** @type {number} */ across, /** @type {number} */ down) {
    shown.at = { across: Math.max(0, across), down: Math.max(0, down) };
    shown.rows = new Map();
    shown.done = -1;
    restUntil = 0;
    refresh();
  }
  const draw = () => {
    bars.show(shown.summary);
    if (!shown.plan) return matrix.show(null, { columns: 1, bands: 1, rows: 1 });
    const conditions = conditionsOf(shown.plan);
    const shape = { seeds: seedsTried(shown.plan), conditions: conditions.length };
    return matrix.show({ plan: shown.plan, conditions, shape, rows: shown.rows, at: shown.at }, sheetOf(shape, shown.columns));
  };
  const read = async (/** @type {Evaluation} */ evaluation) => {
    const about = shown;
    about.plan ??= await planOf(evaluation.id);
    if (await readSheet(about, about.plan, matrix.columns())) about.done = evaluation.done;
  };
  const readSoon = async (/** @type {Evaluation} */ evaluation) => {
    const isRead = shown.done === evaluation.done && shown.columns === matrix.columns();
    if (reading || isRead || performance.now() < restUntil) return;
    reading = true;
    const began = performance.now();
    try {
      await read(evaluation);
    } catch (error) {
      shown.done = evaluation.done; // told once; the next result asks again
      problem(error);
    }
    reading = false;
    restUntil = performance.now() + Math.max(REST_MS, REST_TIMES * (performance.now() - began));
    setTimeout(refresh, restUntil - performance.now() + 10); // what came meanwhile
    draw();
  };
  const refresh = () => {
    el.hidden = !state.evaluation;
    if (el.hidden || state.view !== "evaluations") return;
    const id = state.evaluation ?? "";
    if (shown.id !== id) shown = fresh(id);
    const evaluation = state.evaluations.get(id);
    if (!evaluation) return missing(id, head);
    drawHead(head, bar, evaluation, shown.summary);
    draw();
    return readSoon(evaluation);
  };
  on(["evaluations", "view"], refresh);
  return el;
}

/**
 * Read the summary, and the results of the sheet that is on screen. Whether it is still that sheet.
 * @param {Shown} about @param {Plan} plan @param {number} columns
 */
async function readSheet(about, plan, columns) {
  const shape = { seeds: seedsTried(plan), conditions: conditionsOf(plan).length };
  const sheet = sheetOf(shape, columns);
  const most = sheetsOf(shape, sheet);
  about.at = { across: Math.min(about.at.across, most.across - 1), down: Math.min(about.at.down, most.down - 1) };
  about.columns = columns;
  const { at } = about;
  const [summary, ...parts] = await Promise.all([summaryOf(about.id),
    ...rangesOf(shape, sheet, at).map(([from, to]) => rowsBetween(about.id, from, to))]);
  about.summary = summary;
  if (about.at !== at) return false;
  about.rows = new Map(parts.flat().map((row) => [row.variant, row]));
  return true;
}

/** @param {string} id @returns {Shown} */
function fresh(id) {
  return { id, plan: null, summary: null, rows: new Map(), at: { across: 0, down: 0 }, columns: 0, done: -1 };
}

/** An address may name one that is not listed, or none. @param {string} id @param {HTMLElement} head */
function missing(id, head) {
  fill(head, `missing ${id}`, () => [h("p", { class: "hint" }, "Looking for the evaluation …")]);
  loadEvaluation(id).catch((error) => {
    toast("There is no such evaluation.", { kind: "bad", more: error.message });
    showEvaluation(null);
  });
}

/** @param {HTMLElement} head @param {HTMLElement} bar @param {Evaluation} evaluation @param {Summary|null} summary */
function drawHead(head, bar, evaluation, summary) {
  const { id, state: now, done, total, errors } = evaluation;
  const ends = [summary?.best, summary?.worst].map((variant) => variant ?? -1);
  fill(head, [id, now, evaluation.running > 0, evaluation.why, done > 0, errors > 0, ...ends].join("|"), () => [
    h("button", { class: "button small quiet", onclick: () => showEvaluation(null) }, "‹ All evaluations"),
    h("h2", {}, nameOf(evaluation)), h("span", { class: `chip ${CHIPS[now]}` }, stateInWords(evaluation)),
    h("span", { class: "spacer" }),
    h("div", { class: "eval-tools" }, ends[0] >= 0 && ends[0] !== ends[1] && h("button", { class: "button small", title: "Open both in panes",
      onclick: () => bestAndWorst(id, ends).catch(problem) }, "Best and worst"),
    done > 0 && file(`/api/evaluations/${id}/report`, "Report", "One page with charts and videos; opens offline"),
    done > 0 && file(`/api/evaluations/${id}/results?format=csv`, "CSV", "All results as a table"),
    done > 0 && file(`/api/evaluations/${id}/export?format=lerobot`, "LeRobot", "What its variants made, as a LeRobot dataset"),
    done > 0 && file(`/api/evaluations/${id}/export?format=rerun`, "Rerun", "What its variants made, as a Rerun recording"),
    now === "running" && h("button", { class: "button small danger", onclick: () => cancelEvaluation(evaluation) }, "Cancel"),
    now !== "running" && now !== "finished" && h("button", { class: "button small", onclick: () => resumeEvaluation(id, false) }, "Resume"),
    now !== "running" && errors > 0 && h("button", { class: "button small", title: "Variants that came to nothing are tried once more",
      onclick: () => resumeEvaluation(id, true) }, "Retry errors")),
  ]);
  const words = [countsInWords(evaluation), summary && rateInWords(/** @type {any} */ (summary.all))].filter(Boolean).join(" · ");
  fill(bar, `${done}/${total}${words}`, () => [progressBar(done, total, "Variants with a result"), h("span", { class: "dim" })]);
  text(/** @type {Element} */ (bar.lastElementChild), words);
  attr(bar, "data-under-way", isUnderWay(evaluation));
}

/** @param {string} id @param {number[]} ends  variants */
async function bestAndWorst(id, ends) {
  const rows = await Promise.all(ends.map((variant) => rowsBetween(id, variant, variant + 1)));
  await openResults(rows.flat());
}

/** @param {string} path @param {string} name @param {string} title */
function file(path, name, title) {
  return h("a", { class: "button small", href: here(path), download: true, title }, name);
}
