/** Actions drawn over the steps to come: a curve per dimension, pasted as CSV or JSON, copied from a branch, and edited. */

import { actionsOf } from "../files/table.js";
import { lineage } from "../state/lineage.js";
import { LETTERS, on, state } from "../state/store.js";
import { subject } from "../state/subject.js";
import { sized } from "../ui/canvas.js";
import { token } from "../ui/colours.js";
import { h, text } from "../ui/dom.js";
import { complain, field } from "../ui/fields.js";
import { short } from "../ui/format.js";
import { isWhole } from "./driving.js";
import { between, rested, resized } from "./points.js";

/** @import { Schemas } from "../state/types.js" */

const HEIGHT = 52;
const PAD = 5;

export function buildCurves() {
  const rows = h("div", { class: "curves" });
  const about = h("p", { class: "hint", role: "status" });
  const pasted = h("textarea", { rows: "3", spellcheck: "false", placeholder: "[[0.1, 0, 0, 1], …] or a line per action: 0.1, 0, 0, 1" });
  const take = h("button", { class: "button small" }, "Take these");
  const from = h("span", { class: "curve-sources" });
  /** @type {number[][]} an action per entry: [steps x horizon][dim] */
  let points = [];
  /** @type {HTMLCanvasElement[]} */
  let canvases = [];
  const render = () => {
    const geometry = state.model?.geometry;
    if (!geometry) return;
    if (canvases.length !== geometry.action_dim) {
      canvases = Array.from({ length: geometry.action_dim }, (_, dim) => canvasOf(dim, geometry, () => points, about));
      rows.replaceChildren(...canvases.map((canvas, dim) => h("div", { class: "curve-row" },
        h("span", {}, geometry.action_names[dim] ?? `a${dim}`), canvas)));
    }
    canvases.forEach((canvas, dim) => draw(canvas, points.map((row) => row[dim]), limits(geometry, dim), geometry.action_horizon));
    text(about, `${points.length} actions, ${geometry.action_horizon} a step. Draw with the pointer.`);
  };
  const set = (/** @type {number[][]} */ next) => {
    points = next;
    render();
  };
  take.addEventListener("click", () => {
    const { value, problem } = actionsOf(pasted.value, state.model?.geometry.action_dim ?? 0);
    complain(pasted, problem);
    if (value) fill(value);
  });
  const fill = (/** @type {number[][]} */ given) => state.model && set(resized(given, points.length, rested(state.model.geometry)));
  on(["panes", "selection", "model"], () => from.replaceChildren(...state.panes.map((_, i) => h("button",
    { class: "button small", "aria-label": `Copy from ${LETTERS[i]}`, onclick: () => fill(takenFrom(i)) }, LETTERS[i]))));
  const asNumbers = () => { pasted.value = points.map((row) => row.map((value) => short(value, 5)).join(", ")).join("\n"); };
  const details = h("details", { ontoggle: asNumbers }, h("summary", {}, "As numbers: paste or edit"), field("Actions", pasted), take);
  return {
    el: h("div", { class: "curve-box" }, h("div", { class: "field-line" }, h("span", { class: "label" }, "Copy from"), from,
      h("span", { class: "spacer" }), h("button", { class: "button small quiet", onclick: () => fill([]) }, "Rest")), rows, about, details),
    /** So many steps are to come. @param {number} steps */
    setSteps(steps) {
      const geometry = state.model?.geometry;
      if (geometry && points.length !== steps * geometry.action_horizon) set(resized(points, steps * geometry.action_horizon, rested(geometry)));
      else render();
    },
    /** The actions, [steps][action_horizon][action_dim]. */
    chunks() {
      const horizon = state.model?.geometry.action_horizon ?? 1;
      return Array.from({ length: points.length / horizon }, (_, i) => points.slice(i * horizon, (i + 1) * horizon).map((row) => [...row]));
    },
  };
}

/**
 * A curve that the pointer draws.
 * @param {number} dim @param {Schemas["GeometryView"]} geometry @param {() => number[][]} points  changed in place @param {HTMLElement} about
 */
function canvasOf(dim, geometry, points, about) {
  const name = geometry.action_names[dim] ?? `a${dim}`;
  const canvas = h("canvas", { class: "curve", role: "img", "aria-label": `Curve of ${name}; as numbers below` });
  const [low, high] = limits(geometry, dim);
  /** @type {[number, number]|null} */
  let before = null;
  const put = (/** @type {PointerEvent} */ event) => {
    const all = points();
    const box = canvas.getBoundingClientRect();
    const index = Math.max(0, Math.min(all.length - 1, Math.floor(((event.clientX - box.left) / box.width) * all.length)));
    const value = high - Math.max(0, Math.min(1, (event.clientY - box.top - PAD) / (HEIGHT - 2 * PAD))) * (high - low);
    const taken = (/** @type {number} */ one) => (isWhole(geometry, dim) ? Math.round(one) : one);
    for (const [i, one] of between(before ?? [index, value], [index, value])) all[i][dim] = taken(one);
    before = [index, value];
    text(about, `${name} of action ${index + 1}: ${short(taken(value))}`);
    draw(canvas, all.map((row) => row[dim]), [low, high], geometry.action_horizon);
  };
  canvas.addEventListener("pointerdown", (event) => {
    before = null;
    canvas.setPointerCapture(event.pointerId);
    put(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) put(event); });
  return canvas;
}

/** What a pane's branch did from the subject on; of one that does not pass it, or ends there, all it did. @param {number} pane */
function takenFrom(pane) {
  const path = lineage(state.panes[pane].nodeId);
  const start = subject()?.node;
  const later = start && path[start.frame_index]?.id === start.id ? path.slice(start.frame_index + 1) : [];
  return (later.length ? later : path).flatMap((node) => node.actions ?? []).map((row) => [...row]);
}

/** @param {Schemas["GeometryView"]} geometry @param {number} dim @returns {[number, number]} */
function limits({ action_low: low, action_high: high }, dim) {
  return [low[dim] ?? -1, high[dim] ?? 1];
}

/** @param {HTMLCanvasElement} canvas @param {number[]} values @param {[number, number]} limit @param {number} horizon */
function draw(canvas, values, [low, high], horizon) {
  const width = canvas.clientWidth || 220;
  const ctx = sized(canvas, width, HEIGHT);
  const x = d3.scaleLinear([0, values.length], [0, width]);
  const y = d3.scaleLinear([low, high], [HEIGHT - PAD, PAD]);
  ctx.strokeStyle = token("--line");
  for (let step = horizon; step < values.length; step += horizon) ctx.strokeRect(Math.round(x(step)) + 0.5, 0, 0, HEIGHT);
  ctx.strokeStyle = token("--line-strong");
  if (low < 0 && high > 0) ctx.strokeRect(0, Math.round(y(0)) + 0.5, width, 0);
  ctx.strokeStyle = token("--accent");
  ctx.lineWidth = 1.8;
  ctx.beginPath();
  values.forEach((value, i) => { ctx.lineTo(x(i), y(value)); ctx.lineTo(x(i + 1), y(value)); });
  ctx.stroke();
}
