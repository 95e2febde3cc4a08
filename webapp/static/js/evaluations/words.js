/** Evaluations and their results in words. */

import { count, short } from "../ui/format.js";

/**
 * @import { Row } from "../net/evaluations.js"
 * @import { Evaluation } from "../state/types.js"
 */

/** How each state looks. @type {Record<Evaluation["state"], string>} */
export const CHIPS = { running: "live", finished: "good", cancelled: "wait", stopped: "wait" };

/** @param {Evaluation} evaluation */
export function stateInWords({ state: now, running, why }) {
  if (now === "running") return running ? `running, ${running} under way` : "running";
  return running ? `${now}, winding up` : why ? `${now}: ${why}` : now;
}

/** @param {Evaluation} evaluation */
export function countsInWords({ done, total, good, bad, errors }) {
  const unjudged = done - good - bad - errors;
  return [`${done} of ${count(total, "variant")}`, good && `${good} good`, bad && `${bad} bad`, errors && count(errors, "error"),
    unjudged > 0 && `${unjudged} not judged`].filter(Boolean).join(" · ");
}

/** A rate with its interval: "77 % (65 to 85)". @param {{rate: number|null, low: number, high: number}} counts */
export function rateInWords({ rate, low, high }) {
  return rate === null ? "not judged" : `${percent(rate)} % (${percent(low)} to ${percent(high)})`;
}

/**
 * Whether one value is better than another.
 * @param {{best: string|null, than: string|null, pairs: number, only_best: number, only_than: number, p: number}} difference
 */
export function differenceInWords({ best, than, pairs, only_best: one, only_than: other, p }) {
  const said = p < 0.05 ? "is better than" : "is not shown to be better than";
  const [left, right] = [best, than].map((value) => (value === null ? "the checkpoint’s own" : `“${value}”`));
  const counts = `good where the other is not in ${one} of ${pairs} pairs, the reverse in ${other}`;
  return `${left} ${said} ${right}: ${counts}; p = ${Number(p.toPrecision(2))}`;
}

/** @param {number} share */
export function percent(share) {
  return Math.round(100 * share);
}

/** @typedef {"good"|"bad"|"error"|"none"|"waiting"} Verdict */
/** @type {Record<Verdict, [string, string]>} the sign of each, and what it says */
export const VERDICTS = {
  good: ["✓", "good"], bad: ["✕", "bad"], error: ["!", "error"], none: ["–", "not judged"], waiting: ["", "no result yet"],
};

/** @param {Row|undefined} row @returns {Verdict} */
export function verdictOf(row) {
  if (!row) return "waiting";
  if (row.state === "error") return "error";
  return row.verdict === null ? "none" : row.verdict ? "good" : "bad";
}

/** What is known of a result, a line each. @param {Row} row */
export function reasonsOf(row) {
  if (row.error) return [`${row.error.type ?? "Error"}: ${row.error.message ?? "unknown reason"}`];
  return row.scores.map(({ name, value, verdict, reason }) => (
    `${name} ${short(value)}${verdict === null ? "" : verdict ? " (good)" : " (bad)"}${reason ? `: ${reason}` : ""}`));
}
