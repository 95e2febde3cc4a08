/** The divergence heat strip: how much each pair of branches differs, along the timeline. */

import { equal, pairs, series } from "../state/comparison.js";
import { framesPerStep } from "../state/lineage.js";
import { LETTERS, state, touch } from "../state/store.js";
import { token } from "../ui/colours.js";
import { h, text } from "../ui/dom.js";
import { short } from "../ui/format.js";

const ROW = 15;
const KINDS = { pixel: "pixels", latent: "latents", action: "actions" };
const UNITS = { pixel: "mean of 255", latent: "RMS", action: "RMS" };

let kind = "pixel";

export function buildHeat() {
  const canvas = h("canvas", { class: "heat", role: "img" });
  const kinds = h("div", { class: "segments tiny", role: "group", "aria-label": "Difference of" });
  const facts = h("span", { class: "track-facts" });
  const el = h("div", { class: "track heat-track" }, h("div", { class: "track-head" }, h("h3", {}, "Difference"), kinds, facts), canvas);
  return { el, render: (scale) => render({ el, canvas, kinds, facts }, scale) };
}

function render({ el, canvas, kinds, facts }, scale) {
  el.hidden = state.panes.length < 2;
  if (el.hidden) return;
  kinds.replaceChildren(...Object.entries(KINDS).map(([name, label]) => h("button", { type: "button", class: "segment",
    "aria-pressed": String(kind === name), onclick: () => { kind = name; touch("compare"); } }, label)));
  const rows = pairs().map(([a, b]) => ({ a, b, start: 0, values: [], ...series(kind, a, b) }));
  const most = Math.max(1e-9, ...rows.flatMap((row) => row.values));
  const words = summary(rows);
  text(facts, words);
  canvas.setAttribute("aria-label", `Difference over time. ${words}`);
  draw(canvas, rows, most, scale);
}

function summary(rows) {
  if (rows.every(({ a, b }) => equal(a, b))) return rows.length > 1 ? "all equal, bit for bit" : "equal, bit for bit";
  if (!state.compare) return state.compareError ? "not available yet" : "…";
  return rows.map(({ a, b, values }) => {
    const name = `${LETTERS[a]}·${LETTERS[b]}`;
    if (equal(a, b)) return `${name} equal`;
    return values.length ? `${name} up to ${short(Math.max(...values), 2)}` : `${name} –`;
  }).join("; ") + ` (${UNITS[kind]})`;
}

function draw(canvas, rows, most, scale) {
  const ratio = devicePixelRatio || 1;
  canvas.width = scale.width * ratio;
  canvas.height = rows.length * ROW * ratio;
  canvas.style.height = `${rows.length * ROW}px`;
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.font = `600 10px ${token("--font")}`;
  ctx.textBaseline = "middle";
  rows.forEach(({ a, b, start, values }, row) => {
    const y = row * ROW;
    label(ctx, a, b, y + ROW / 2);
    ctx.fillStyle = token("--raised");
    ctx.fillRect(scale.left, y + 2, scale.width - scale.left - scale.right, ROW - 4);
    cells(ctx, { start, values }, most, scale, y + 2);
  });
}

function label(ctx, a, b, y) {
  ctx.fillStyle = token(`--${"abc"[a]}`);
  ctx.fillText(LETTERS[a], 16, y);
  ctx.fillStyle = token("--muted");
  ctx.fillText("·", 25, y);
  ctx.fillStyle = token(`--${"abc"[b]}`);
  ctx.fillText(LETTERS[b], 30, y);
}

/** One cell per frame (or per step for latents and actions), on a square-root scale so that small differences show. */
function cells(ctx, { start, values }, most, scale, y) {
  const ramp = document.documentElement.dataset.theme === "light" ? d3.interpolateYlOrRd : d3.interpolateInferno;
  const end = scale.width - scale.right;
  values.forEach((value, index) => {
    if (!value) return;
    const i = start + index;
    const [from, to] = kind === "pixel" ? [i - 0.5, i + 0.5] : [(i - 1) * framesPerStep() + 0.5, i * framesPerStep() + 0.5];
    const x0 = Math.max(scale.left, scale.x(from));
    const x1 = Math.min(end, scale.x(to));
    if (x1 <= x0) return;
    ctx.fillStyle = ramp(0.15 + 0.85 * Math.sqrt(value / most));
    ctx.fillRect(x0, y, x1 - x0 + 0.5, ROW - 4);
  });
}
