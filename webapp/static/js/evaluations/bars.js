/** How often each group succeeded: a bar, its 95 % Wilson interval as a whisker, and the numbers. */

import { h, isNew } from "../ui/dom.js";
import { clip, short, shortId } from "../ui/format.js";
import { segment, segments } from "../ui/fields.js";
import { differenceInWords, percent, rateInWords } from "./words.js";

/**
 * @import { Summary } from "../net/evaluations.js"
 * @typedef {{n: number, good: number, bad: number, errors: number, rate: number|null, low: number, high: number, mean_score: number|null}} Counts
 * @typedef {"prompt"|"seed"|"actions"|"policy"|"prompt_mode"|"model_settings"|"checkpoint"} Member
 */

const MOST = 40;
const MOST_DIFFERENCES = 3;
/** @type {[Member, string][]} */
const MEMBERS = [["prompt", "Prompt"], ["actions", "Actions"], ["policy", "Policy"], ["prompt_mode", "Prompt mode"],
  ["model_settings", "Model settings"], ["checkpoint", "Checkpoint"], ["seed", "Seed"]];

export function buildBars() {
  const by = segments("Success by");
  const list = h("div", { class: "bars", role: "list" });
  const el = h("section", { class: "eval-bars", "aria-label": "Success" },
    h("div", { class: "eval-head" }, h("h3", {}, "Success, with 95 % intervals"), h("span", { class: "spacer" }), by), list);
  /** @type {Member} */
  let member = "prompt";
  /** @type {Summary|null} */
  let shown = null;
  const render = () => {
    el.hidden = !shown?.all.n;
    if (!shown || !isNew(list, JSON.stringify([shown, member]))) return;
    const kinds = MEMBERS.filter(([name]) => shown?.by[name]);
    if (kinds.length && !kinds.some(([name]) => name === member)) [[member]] = kinds;
    by.hidden = kinds.length < 2;
    by.replaceChildren(...kinds.map(([name, words]) => segment(words, name === member, () => { member = name; render(); })));
    const groups = [...shown.by[member] ?? []].sort((a, b) => Number(b.rate ?? -1) - Number(a.rate ?? -1));
    const rows = [bar("All", /** @type {Counts} */ (shown.all), true), ...groups.slice(0, MOST).map((group) => bar(nameOf(group, member),
      /** @type {Counts} */ (/** @type {unknown} */ (group))))];
    if (groups.length > MOST) rows.push(h("p", { class: "hint" }, `${groups.length - MOST} more: the results as CSV have all of them.`));
    const differences = /** @type {any[]} */ (shown.differences).filter((one) => one.by === member).slice(0, MOST_DIFFERENCES);
    list.replaceChildren(...rows, ...differences.map((one) => h("p", { class: "hint" }, differenceInWords(one))));
  };
  const show = (/** @type {Summary|null} */ summary) => {
    shown = summary;
    render();
  };
  return { el, show };
}

/** @param {Record<string, any>} group @param {Member} member */
function nameOf(group, member) {
  const value = group[member];
  if (value === null) return member === "actions" ? "the policy's" : "the checkpoint's own";
  return member === "checkpoint" ? shortId(value) : member === "seed" ? `seed ${value}` : String(value);
}

/** @param {string} name @param {Counts} counts */
function bar(name, counts, whole = false) {
  const { rate, low, high, good, bad, errors, mean_score: mean } = counts;
  const fill = h("span", { class: "bar-fill", style: { width: `${100 * (rate ?? 0)}%` } });
  const whisker = rate === null ? null : h("span", { class: "bar-whisker", style: { left: `${100 * low}%`, width: `${100 * (high - low)}%` } });
  const facts = [`${good} of ${good + bad}`, mean !== null && `score ${short(mean)}`, errors && `${errors} err.`].filter(Boolean).join(" · ");
  return h("div", { class: whole ? "bar whole" : "bar", role: "listitem", title: `${name}: ${rateInWords(counts)}` },
    h("span", { class: "bar-name" }, clip(name, 80)),
    h("span", { class: "bar-track", role: "img", "aria-label": rateInWords(counts) }, fill, whisker),
    h("span", { class: "bar-rate" }, rate === null ? "–" : `${percent(rate)} %`), h("span", { class: "bar-facts dim" }, facts));
}
