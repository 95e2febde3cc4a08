/** The branches' actions under the videos: one small plot per dimension, all branches in it. */

import { lastFrameOf } from "../state/frames.js";
import { commonAncestor, framesPerStep, lastFrame, lineage } from "../state/lineage.js";
import { state } from "../state/store.js";
import { sized } from "../ui/canvas.js";
import { paneToken, token } from "../ui/colours.js";
import { h } from "../ui/dom.js";
import { scale } from "./scale.js";

/** @import { Pane } from "../state/types.js" */
/** @typedef {{frame: number, values: number[]}} Point  an action and the video frame it belongs to */

const ROW = 34;
const PAD = 4;

export function buildPlots() {
  const canvas = h("canvas", { class: "plots", role: "img" });
  const head = h("summary", { class: "track-head" }, h("h3", {}, "Actions"), h("span", { class: "track-facts" }, "by frame, one line per branch"));
  const el = h("details", { class: "track plots-track", open: true }, head, canvas);
  const render = () => {
    const lines = state.panes.map(actionsOf);
    const names = nameDimensions(Math.max(0, ...lines.map((line) => line[0]?.values.length ?? 0)));
    el.hidden = !names.length;
    if (el.hidden || !el.open) return;
    canvas.setAttribute("aria-label", `Actions over time in ${names.length} dimensions: ${names.join(", ")}`);
    const ctx = sized(canvas, scale.width, names.length * ROW);
    names.forEach((name, dim) => drawDimension(ctx, lines, dim, name));
  };
  el.addEventListener("toggle", render);
  head.addEventListener("pointerdown", (event) => event.stopPropagation());
  return { el, render };
}

/** @param {number} count */
function nameDimensions(count) {
  const given = state.model?.geometry?.action_names ?? [];
  return Array.from({ length: count }, (_, i) => given[i] ?? `a${i}`);
}

/** The actions along a pane's lineage; those of a step share its frames evenly. @param {Pane} pane @returns {Point[]} */
function actionsOf(pane) {
  const perStep = framesPerStep();
  return lineage(pane.nodeId).flatMap((node) => (node.actions ?? []).map((values, i, rows) => (
    { frame: lastFrameOf(node.frame_index - 1 + (i + 1) / rows.length, perStep), values })));
}

/** @param {CanvasRenderingContext2D} ctx @param {Point[][]} lines @param {number} dim @param {string} name */
function drawDimension(ctx, lines, dim, name) {
  const top = dim * ROW;
  const [low, high] = range(lines.flatMap((line) => line.map((point) => point.values[dim])));
  const y = (/** @type {number} */ value) => top + ROW - PAD - ((value - low) / (high - low)) * (ROW - 2 * PAD);
  const curve = (/** @type {string} */ colour, /** @type {Point[]} */ points) => (
    stroke(ctx, colour, points.map((point) => [scale.x(point.frame), y(point.values[dim])])));
  ctx.fillStyle = token("--raised");
  ctx.fillRect(scale.left, top + 1, scale.right - scale.left, ROW - 2);
  ctx.lineWidth = 1;
  if (low < 0 && high > 0) stroke(ctx, "--line", [[scale.left, y(0)], [scale.right, y(0)]]);
  ctx.fillStyle = token("--muted");
  ctx.font = `11px ${token("--font")}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.fillText(name.length > 7 ? `${name.slice(0, 6)}…` : name, scale.left - 8, top + ROW / 2);
  ctx.lineWidth = 1.6;
  const shared = sharedFrames();
  lines.forEach((line, lane) => curve(paneToken(lane), line.filter((point) => point.frame >= shared)));
  curve("--muted", (lines[0] ?? []).filter((point) => point.frame <= shared));
}

/** Frames that all panes share; one pane alone shares nothing (it keeps its colour). */
function sharedFrames() {
  if (state.panes.length < 2) return 0;
  const ancestor = commonAncestor(state.panes.map((pane) => pane.nodeId));
  return ancestor ? lastFrame(ancestor) : 0;
}

/** @param {number[]} values */
function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (high - low < 1e-9) return [low - 1, high + 1];
  const margin = (high - low) * 0.08;
  return [low - margin, high + margin];
}

/** @param {CanvasRenderingContext2D} ctx @param {string} colour  a custom property @param {number[][]} points */
function stroke(ctx, colour, points) {
  ctx.strokeStyle = token(colour);
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}
