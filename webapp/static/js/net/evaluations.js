/** Evaluations over HTTP: their list, and what runs, asked for while somebody looks. */

import { putEvaluation, underWay } from "../state/evaluations.js";
import { state, touch } from "../state/store.js";
import { get } from "./api.js";

/** @import { Schemas } from "../state/types.js" */
/** @typedef {Schemas["RowView"]} Row */
/** @typedef {Schemas["Summary"]} Summary */
/** @typedef {Schemas["PlanBody"]} Plan */

const EVERY_MS = 1500;
const PAGE = 100;
const MOST_ROWS = 1000; // the most that the server gives at once

/** The next page of the list, the newest first; whether there are more. @param {string|null} [cursor] @returns {Promise<string|null>} */
export async function loadEvaluations(cursor = null) {
  const { items, next } = await get(`/api/evaluations?limit=${PAGE}${cursor ? `&cursor=${cursor}` : ""}`);
  items.forEach(putEvaluation);
  touch("evaluations");
  return next;
}

/** @param {string} id */
export async function loadEvaluation(id) {
  putEvaluation(await get(`/api/evaluations/${encodeURIComponent(id)}`));
}

/** Keep what runs up to date. */
export function watchEvaluations() {
  let asking = false;
  setInterval(async () => {
    if (asking || document.hidden || state.connection !== "live") return;
    asking = true;
    await Promise.allSettled(underWay().slice(0, 8).map(loadEvaluation));
    asking = false;
  }, EVERY_MS);
}

/** @param {string} id @returns {Promise<Plan>} */
export const planOf = (id) => get(`/api/evaluations/${id}/plan`);

/** @param {string} id @returns {Promise<Summary>} */
export const summaryOf = (id) => get(`/api/evaluations/${id}/summary`);

/**
 * The results of the variants `from` to `to` (exclusive); those that have none yet are left out.
 * @param {string} id @param {number} from @param {number} to @returns {Promise<Row[]>}
 */
export async function rowsBetween(id, from, to) {
  /** @type {Row[]} */
  const found = [];
  for (let after = from - 1; after < to - 1;) {
    const cursor = after < 0 ? "" : `&cursor=${after}`;
    /** @type {{items: Row[], next: string|null}} */
    const { items, next } = await get(`/api/evaluations/${id}/rows?limit=${Math.min(MOST_ROWS, to - 1 - after)}${cursor}`);
    found.push(...items.filter((row) => row.variant < to));
    if (next === null || !items.length) break;
    after = Number(next);
  }
  return found;
}
