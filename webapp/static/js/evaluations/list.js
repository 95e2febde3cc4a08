/** All evaluations, the newest first. */

import { nameOf } from "../controls/evaluation.js";
import { loadEvaluations } from "../net/evaluations.js";
import { showEvaluation } from "../state/evaluations.js";
import { on, state } from "../state/store.js";
import { arrange, fill, h } from "../ui/dom.js";
import { dateTime } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { progressBar } from "../ui/progress.js";
import { problem } from "../ui/toasts.js";
import { planEvaluation } from "./plan-form.js";
import { CHIPS, countsInWords, stateInWords } from "./words.js";

/** @import { Evaluation } from "../state/types.js" */

/** @type {Map<string, HTMLElement>} */
const rows = new Map();

export function buildList() {
  const list = h("ul", { class: "eval-list" });
  const none = h("div", { class: "eval-none" }, h("h3", {}, "No evaluation yet"), h("p", { class: "hint" },
    "An evaluation forks a checkpoint with every combination of prompts and seeds, lets each run, has scorers judge it, and counts: "
    + "which prompt works, how often, and how sure that is."));
  const more = h("button", { class: "button", hidden: true }, "Show older ones");
  /** @type {string|null} */
  let next = null;
  const load = () => loadEvaluations(next).then((cursor) => { next = cursor; more.hidden = !next; }, problem);
  more.addEventListener("click", load);
  let asked = false;
  const el = h("div", { class: "eval-all" },
    h("div", { class: "eval-title" }, h("h2", {}, "Evaluations"), h("span", { class: "spacer" }),
      h("button", { class: "button primary", onclick: planEvaluation }, icon("plus"), "New evaluation")),
    none, list, more);
  on(["evaluations", "view"], () => {
    el.hidden = state.evaluation !== null;
    if (el.hidden || state.view !== "evaluations") return;
    if (!asked) load();
    asked = true;
    none.hidden = state.evaluations.size > 0;
    arrange(list, rows, [...state.evaluations.values()].sort((a, b) => b.created - a.created), rowOf);
  });
  return el;
}

/** @param {Evaluation} evaluation */
function rowOf(evaluation) {
  const row = rows.get(evaluation.id) ?? h("li", {});
  const { id, state: now, done, total, created } = evaluation;
  fill(row, JSON.stringify(evaluation), () => [
    h("button", { class: "eval-row", onclick: () => showEvaluation(id) },
      h("span", { class: "eval-name" }, nameOf(evaluation)),
      h("span", { class: `chip ${CHIPS[now]}` }, stateInWords(evaluation)),
      h("span", { class: "dim" }, dateTime(created)),
      h("span", { class: "eval-counts dim" }, countsInWords(evaluation))),
    progressBar(done, total, `Variants of ${nameOf(evaluation)} with a result`)]);
  return row;
}
