/** The branches' actions under the videos: one small plot per dimension, all branches in it. */

import { commonAncestor, framesPerStep, lineage } from "../state/lineage.js";
import { state } from "../state/store.js";
import { token } from "../ui/colours.js";
import { h } from "../ui/dom.js";

const ROW = 34;
const PAD = 4;

export function buildPlots() {
  const canvas = h("canvas", { class: "plots", role: "img" });
  const el = h("details", { class: "track plots-track", open: true },
    h("summary", { class: "track-head" }, h("h3", {}, "Actions"), h("span", { class: "track-facts" }, "by frame, one line per branch")), canvas);
  let last = null;
  el.addEventListener("toggle", () => el.open && last && render({ el, canvas }, last));
  el.addEventListener("pointerdown", (event) => event.target.closest("summary") && event.stopPropagation());
  return { el, render: (scale) => { last = scale; render({ el, canvas }, scale); } };
}

function render({ el, canvas }, scale) {
  const lines = state.panes.map(actionsOf);
  const dims = Math.max(0, ...lines.map((line) => line[0]?.values.length ?? 0));
  el.hidden = dims === 0;
  if (!dims || !el.open) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = scale.width * ratio;
  canvas.height = dims * ROW * ratio;
  canvas.style.height = `${dims * ROW}px`;
  canvas.setAttribute("aria-label", `Actions over time in ${dims} dimensions: ${names(dims).join(", ")}`);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  for (let dim = 0; dim < dims; dim += 1) drawDimension(ctx, lines, dim, names(dims)[dim], scale);
}

function names(dims) {
  const given = state.model?.geometry?.action_names ?? [];
  return Array.from({ length: dims }, (_, i) => given[i] ?? `a${i}`);
}

/** The actions along a pane's lineage with the video frame each belongs to. */
function actionsOf(pane) {
  const perStep = framesPerStep();
  const points = [];
  for (const node of lineage(pane.nodeId)) {
    const rows = node.actions ?? [];
    rows.forEach((values, i) => points.push({ frame: (node.frame_index - 1) * perStep + ((i + 1) * perStep) / rows.length, values }));
  }
  return points;
}

function drawDimension(ctx, lines, dim, name, scale) {
  const top = dim * ROW;
  const all = lines.flatMap((line) => line.map((point) => point.values[dim]));
  const [low, high] = range(all);
  const y = (value) => top + ROW - PAD - ((value - low) / (high - low)) * (ROW - 2 * PAD);
  const end = scale.width - scale.right;
  ctx.fillStyle = token("--raised");
  ctx.fillRect(scale.left, top + 1, end - scale.left, ROW - 2);
  ctx.strokeStyle = token("--line");
  ctx.lineWidth = 1;
  if (low < 0 && high > 0) stroke(ctx, [[scale.left, y(0)], [end, y(0)]]);
  ctx.fillStyle = token("--muted");
  ctx.font = `11px ${token("--font")}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.fillText(name.length > 7 ? `${name.slice(0, 6)}…` : name, scale.left - 8, top + ROW / 2);
  ctx.lineWidth = 1.6;
  const shared = sharedFrames();
  lines.forEach((line, lane) => {
    const own = line.filter((point) => point.frame >= shared);
    ctx.strokeStyle = token(`--${"abc"[lane]}`);
    stroke(ctx, own.map((point) => [scale.x(point.frame), y(point.values[dim])]));
  });
  ctx.strokeStyle = token("--muted");
  stroke(ctx, (lines[0] ?? []).filter((point) => point.frame <= shared).map((point) => [scale.x(point.frame), y(point.values[dim])]));
}

/** Frames that all panes share; one pane alone shares nothing (it keeps its colour). */
function sharedFrames() {
  if (state.panes.length < 2) return 0;
  const ancestor = commonAncestor(state.panes.map((pane) => pane.nodeId));
  return ancestor ? ancestor.frame_index * framesPerStep() : 0;
}

function range(values) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (high - low < 1e-9) return [low - 1, high + 1];
  const margin = (high - low) * 0.08;
  return [low - margin, high + margin];
}

function stroke(ctx, points) {
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}
