/** The divergence heat strip: how much each pair of branches differs, along the timeline. */

import { equal, pairs, series } from "../state/comparison.js";
import { lastFrameOf } from "../state/frames.js";
import { framesPerStep } from "../state/lineage.js";
import { LETTERS, state, touch } from "../state/store.js";
import { sized } from "../ui/canvas.js";
import { paneToken, token } from "../ui/colours.js";
import { h, text } from "../ui/dom.js";
import { segment, segments } from "../ui/fields.js";
import { short } from "../ui/format.js";
import { scale } from "./scale.js";

/** @import { Kind } from "../state/comparison.js" */
/** @typedef {{a: number, b: number, start: number, values: (number|null)[]}} Row  a pair of panes and its series */

const ROW = 15;
/** @type {[Kind, string, string][]} each kind, its name and its unit */
const KINDS = [["pixel", "pixels", "mean of 255"], ["latent", "latents", "RMS"], ["action", "actions", "RMS"]];

/** @type {Kind} */
let kind = "pixel";

export function buildHeat() {
  const canvas = h("canvas", { class: "heat", role: "img" });
  const kinds = segments("Difference of");
  kinds.classList.add("tiny");
  const facts = h("span", { class: "track-facts" });
  const el = h("div", { class: "track heat-track" }, h("div", { class: "track-head" }, h("h3", {}, "Difference"), kinds, facts), canvas);
  const render = () => {
    el.hidden = state.panes.length < 2;
    if (el.hidden) return;
    kinds.replaceChildren(...KINDS.map(([name, label]) => segment(label, kind === name, () => { kind = name; touch("compare"); })));
    const rows = shownPairs().map(([a, b]) => ({ a, b, start: 0, values: [], ...series(kind, a, b) }));
    const words = summary(rows);
    text(facts, words);
    canvas.setAttribute("aria-label", `Difference over time. ${words}`);
    draw(canvas, rows);
  };
  return { el, render };
}

const MOST_ROWS = 3;

/** All pairs; of many panes those with the active one. */
function shownPairs() {
  const all = pairs();
  return all.length > MOST_ROWS ? all.filter((pair) => pair.includes(state.active)) : all;
}

/** @param {Row[]} rows */
function summary(rows) {
  if (rows.every(({ a, b }) => equal(a, b))) return rows.length > 1 ? "all equal, bit for bit" : "equal, bit for bit";
  if (!state.compare) return state.compareError ? "not available yet" : "…";
  const words = rows.map(({ a, b, values }) => {
    const name = `${LETTERS[a]}·${LETTERS[b]}`;
    if (equal(a, b)) return `${name} equal`;
    return values.length ? `${name} up to ${short(Math.max(...values.map(Number)), 2)}` : `${name} –`;
  });
  return `${words.join("; ")} (${KINDS.find(([name]) => name === kind)?.[2]})`;
}

/** @param {HTMLCanvasElement} canvas @param {Row[]} rows */
function draw(canvas, rows) {
  const most = Math.max(1e-9, ...rows.flatMap((row) => row.values.map(Number)));
  const ctx = sized(canvas, scale.width, rows.length * ROW);
  ctx.font = `600 10px ${token("--font")}`;
  ctx.textBaseline = "middle";
  rows.forEach((row, at) => {
    const y = at * ROW;
    const letters = /** @type {[string, string, number][]} */ ([
      [LETTERS[row.a], paneToken(row.a), 16], ["·", "--muted", 25], [LETTERS[row.b], paneToken(row.b), 30]]);
    for (const [letter, colour, x] of letters) {
      ctx.fillStyle = token(colour);
      ctx.fillText(letter, x, y + ROW / 2);
    }
    ctx.fillStyle = token("--raised");
    ctx.fillRect(scale.left, y + 2, scale.right - scale.left, ROW - 4);
    cells(ctx, row, most, y + 2);
  });
}

/**
 * One cell per frame (or per step for latents and actions), on a square-root scale so that small differences show.
 * @param {CanvasRenderingContext2D} ctx @param {Row} row @param {number} most  the largest value of all rows @param {number} y
 */
function cells(ctx, { start, values }, most, y) {
  const ramp = document.documentElement.dataset.theme === "light" ? d3.interpolateYlOrRd : d3.interpolateInferno;
  const last = (/** @type {number} */ i) => (kind === "pixel" ? i : lastFrameOf(i, framesPerStep()));
  values.forEach((value, index) => {
    if (!value) return;
    const i = start + index;
    const x0 = Math.max(scale.left, scale.x(last(i - 1) + 0.5));
    const x1 = Math.min(scale.right, scale.x(last(i) + 0.5));
    if (x1 <= x0) return;
    ctx.fillStyle = ramp(0.15 + 0.85 * Math.sqrt(value / most));
    ctx.fillRect(x0, y, x1 - x0 + 0.5, ROW - 4);
  });
}
