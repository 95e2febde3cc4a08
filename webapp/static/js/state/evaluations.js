/** Evaluations as the page knows them. They are told by no events: what runs is asked for. */

import { state, touch } from "./store.js";

/** @import { Evaluation } from "./types.js" */

/** @param {Evaluation} evaluation */
export function putEvaluation(evaluation) {
  const known = state.evaluations.get(evaluation.id);
  if (known && JSON.stringify(known) === JSON.stringify(evaluation)) return;
  state.evaluations.set(evaluation.id, evaluation);
  touch("evaluations");
}

/** Something is left to do for it. @param {Evaluation} evaluation */
export function isUnderWay({ state: now, running }) {
  return now === "running" || running > 0;
}

/** Ids of those that run: known ones, and those that jobs speak of. @returns {string[]} */
export function underWay() {
  const found = new Set([...state.evaluations.values()].filter(isUnderWay).map(({ id }) => id));
  for (const { evaluation, state: now } of state.jobs.values()) {
    if (evaluation && (now === "running" || now === "queued") && !state.evaluations.has(evaluation)) found.add(evaluation);
  }
  return [...found];
}

/** Show an evaluation in the middle; null: the list of all. @param {string|null} id */
export function showEvaluation(id) {
  state.view = "evaluations";
  state.evaluation = id;
  touch("view", "evaluations");
}
