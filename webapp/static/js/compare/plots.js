/** The branches' actions under the videos: one plot per dimension, all branches in it, with ticks, zero line and values. */

import { clock } from "../state/clock.js";
import { commonAncestor, framesPerStep, lastFrame, lineage } from "../state/lineage.js";
import { LETTERS, on, state } from "../state/store.js";
import { sized } from "../ui/canvas.js";
import { paneColour, paneToken, token } from "../ui/colours.js";
import { h, text } from "../ui/dom.js";
import { short } from "../ui/format.js";
import { actionsAlong, rangeOf, sameLines, valueAt } from "./curves.js";
import { scale } from "./scale.js";

/** @import { Point } from "./curves.js" */
/** @typedef {{name: string, unit: string}} Dimension */

const HEIGHTS = [54, 92];
const HEAD = 16; // pixels above the curves, for name and values
const PAD = 5;
const DASH = 7;

export function buildPlots() {
  const canvas = h("canvas", { class: "plots", role: "img" });
  const facts = h("span", { class: "track-facts" });
  const tall = h("button", { class: "button small quiet", "aria-pressed": "false", title: "Taller plots" }, "Tall");
  const head = h("summary", { class: "track-head" }, h("h3", {}, "Actions"), facts);
  const readouts = h("div", { class: "readouts", "aria-hidden": "true" });
  const box = h("details", { open: true }, head, h("div", { class: "plots-box" }, canvas, readouts));
  const el = h("div", { class: "track plots-track" }, box, tall);
  /** @type {Point[][]} */
  let lines = [];
  let height = HEIGHTS[0];
  /** @type {number|null} frame under the pointer */
  let pointed = null;
  const render = () => {
    lines = state.panes.map((pane) => actionsAlong(lineage(pane.nodeId), framesPerStep()));
    const dims = dimensionsOf(Math.max(0, ...lines.map((line) => line[0]?.values.length ?? 0)));
    el.hidden = !dims.length;
    tall.hidden = !box.open;
    if (el.hidden || !box.open) return;
    const shared = sharedFrames();
    canvas.setAttribute("aria-label", `Actions over time in ${dims.length} dimensions: ${dims.map(({ name }) => name).join(", ")}`);
    const ctx = sized(canvas, scale.width, dims.length * height);
    const groups = dims.map((_, i) => sameLines(lines, i, shared));
    dims.forEach((dim, i) => drawDimension(ctx, lines, i, dim, { shared, height, groups: groups[i] }));
    const same = lines.length > 1 ? sameInWords(groups, dims) : "";
    text(facts, same || "by frame, one line per branch; Ctrl+wheel looks closer");
    readouts.replaceChildren(...dims.map((_, i) => h("div", { class: "readout", style: { top: `${i * height}px` } },
      ...lines.map((__, lane) => h("span", { style: { color: paneColour(lane) } })))));
    read();
  };
  const read = () => {
    const at = pointed ?? clock.frame;
    [...readouts.children].forEach((row, dim) => lines.forEach((line, lane) => {
      const value = valueAt(line, dim, at);
      text(row.children[lane], value === null ? "" : `${LETTERS[lane]} ${short(value)}`);
    }));
  };
  on(["frame"], () => { if (box.open && !el.hidden) read(); });
  box.addEventListener("toggle", render);
  head.addEventListener("pointerdown", (event) => event.stopPropagation());
  tall.addEventListener("click", () => {
    height = HEIGHTS[height === HEIGHTS[0] ? 1 : 0];
    tall.setAttribute("aria-pressed", String(height !== HEIGHTS[0]));
    render();
  });
  const point = (/** @type {number|null} */ frame) => { // the one under the pointer; null: none
    pointed = frame;
    if (box.open && !el.hidden) read();
  };
  return { el, render, point };
}

/** @param {number} count @returns {Dimension[]} */
function dimensionsOf(count) {
  const { action_names: names = [], action_units: units = [] } = state.model?.geometry ?? {};
  return Array.from({ length: count }, (_, i) => ({ name: names[i] ?? `a${i}`, unit: units[i] ?? "" }));
}

/** Which lines cannot be told apart because they are one. @param {number[][][]} groups  by dimension @param {Dimension[]} dims */
function sameInWords(groups, dims) {
  const words = groups.map((own) => own.filter((group) => group.length > 1)
    .map((group) => group.map((lane) => LETTERS[lane]).join(" = ")).join(", "));
  if (words.every((word) => !word)) return "";
  if (words.every((word) => word === words[0])) return `${words[0]} in all, dashed in their colours`;
  return dims.flatMap(({ name }, i) => (words[i] ? [`${name}: ${words[i]}`] : [])).join("; ");
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {Point[][]} lines @param {number} dim @param {Dimension} what
 * @param {{shared: number, height: number, groups: number[][]}} how  `groups`: lines that are one
 */
function drawDimension(ctx, lines, dim, { name, unit }, { shared, height, groups }) {
  const top = dim * height;
  const [low, high] = rangeOf(lines.flatMap((line) => line.map((point) => point.values[dim])));
  const y = d3.scaleLinear([low, high], [top + height - PAD, top + HEAD]);
  const [left, right] = [scale.left, scale.right];
  ctx.fillStyle = token("--raised");
  ctx.fillRect(left, top + 1, right - left, height - 2);
  drawTicks(ctx, y, height > HEIGHTS[0] ? 4 : 2);
  ctx.fillStyle = token("--text");
  ctx.font = `600 11px ${token("--font")}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.fillText(unit ? `${name} (${unit})` : name, left + 5, top + 3);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, height);
  ctx.clip();
  ctx.lineWidth = 1.6;
  const curve = (/** @type {string} */ colour, /** @type {Point[]} */ points) => (
    stroke(ctx, colour, points.map((point) => [scale.x(point.frame), y(point.values[dim])])));
  for (const group of groups) {
    group.forEach((lane, at) => {
      ctx.setLineDash(group.length > 1 ? [DASH, DASH * (group.length - 1)] : []);
      ctx.lineDashOffset = -DASH * at;
      curve(paneToken(lane), lines[lane].filter((point) => point.frame >= shared));
    });
  }
  ctx.setLineDash([]);
  curve("--muted", (lines[0] ?? []).filter((point) => point.frame <= shared));
  ctx.restore();
}

/**
 * Numbers at the left, a line for each, and a stronger one at zero.
 * @param {CanvasRenderingContext2D} ctx @param {d3.ScaleLinear<number, number>} y @param {number} count
 */
function drawTicks(ctx, y, count) {
  ctx.font = `10px ${token("--font")}`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const tick of y.ticks(count)) {
    ctx.fillStyle = token("--muted");
    ctx.fillText(y.tickFormat(count)(tick), scale.left - 5, y(tick));
    ctx.lineWidth = 1;
    ctx.setLineDash(tick === 0 ? [] : [2, 3]);
    stroke(ctx, tick === 0 ? "--line-strong" : "--line", [[scale.left, y(tick)], [scale.right, y(tick)]]);
  }
  ctx.setLineDash([]);
}

/** Frames that all panes share; one pane alone shares nothing (it keeps its colour). */
function sharedFrames() {
  if (state.panes.length < 2) return 0;
  const ancestor = commonAncestor(state.panes.map((pane) => pane.nodeId));
  return ancestor ? lastFrame(ancestor) : 0;
}

/** @param {CanvasRenderingContext2D} ctx @param {string} colour  a custom property @param {number[][]} points */
function stroke(ctx, colour, points) {
  ctx.strokeStyle = token(colour);
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}
