/** The middle panel's third face: evaluations, all of them or one. */

import { on, state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { buildDetail } from "./detail.js";
import { buildList } from "./list.js";
import { planEvaluation } from "./plan-form.js";

export function buildEvaluations() {
  const el = h("div", { class: "evaluations", hidden: true }, buildList(), buildDetail());
  on(["view"], () => { el.hidden = state.view !== "evaluations"; });
  on(["evaluate"], planEvaluation);
  return el;
}
