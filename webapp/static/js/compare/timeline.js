/** The timeline: the common trunk, then one lane per branch, with the steps and the point where they part. */

import { clock } from "../state/clock.js";
import { divergenceFrame, pairs } from "../state/comparison.js";
import { commonAncestor, lastFrame, lineage, totalFrames } from "../state/lineage.js";
import { paneTotal } from "../state/live.js";
import { LETTERS, state } from "../state/store.js";
import { paneColour } from "../ui/colours.js";
import { attr, h, svg } from "../ui/dom.js";
import { scale } from "./scale.js";

/**
 * @typedef {number[]} Group  panes that share their frames
 * @typedef {{from: number, to: number, group: Group, yFrom: number, y: number}} Segment  a span of frames of one group
 */

const TOP = 22;
const LANE = 17;
const BEND = 14;
const DOT_ROOM = 7;

/** @param {HTMLElement} slider  the focusable element laid over the lanes */
export function buildTimeline(slider) {
  const drawing = svg("svg", { class: "timeline", "aria-hidden": "true" });
  const el = h("div", { class: "track timeline-track" }, drawing, slider);
  return { el, render: () => render(drawing) };
}

/** @param {SVGSVGElement} drawing */
function render(drawing) {
  const n = state.panes.length;
  const height = TOP + Math.max(1, n) * LANE + 4;
  attr(drawing, "height", height);
  attr(drawing, "width", scale.width);
  if (!n || !state.nodes.size) return drawing.replaceChildren();
  const lanes = segments();
  return drawing.replaceChildren(...laneLabels(), ...lanes.map(drawSegment), ...tails(), ...stepDots(lanes), ...marker(height));
}

/** @param {Group} group */
function laneY(group) {
  const n = state.panes.length;
  const mean = group.reduce((sum, lane) => sum + lane, 0) / group.length;
  return TOP + (n === 1 ? 0.5 : mean + 0.5) * LANE;
}

/** Cut the time into spans in which the same panes share their frames. @returns {Segment[]} */
function segments() {
  const ids = state.panes.map((pane) => pane.nodeId);
  const shared = (/** @type {number} */ a, /** @type {number} */ b) => {
    const node = commonAncestor([ids[a], ids[b]]);
    return node ? lastFrame(node) : 0;
  };
  const cuts = new Set([...ids.map((id) => totalFrames(id) - 1), ...pairs().map(([a, b]) => shared(a, b))]);
  const times = [...cuts].filter((t) => t > 0).sort((x, y) => x - y);
  const parts = [];
  let from = 0;
  /** @type {Group[]} */
  let before = [];
  for (const to of times) {
    const alive = ids.map((_, lane) => lane).filter((lane) => totalFrames(ids[lane]) - 1 >= to);
    const groups = groupsAt(alive, to, shared);
    for (const group of groups) {
      const origin = before.find((old) => group.every((lane) => old.includes(lane)));
      parts.push({ from, to, group, yFrom: laneY(origin ?? group), y: laneY(group) });
    }
    before = groups;
    from = to;
  }
  return parts;
}

/** @param {number[]} alive @param {number} to @param {(a: number, b: number) => number} shared */
function groupsAt(alive, to, shared) {
  /** @type {Group[]} */
  const groups = [];
  for (const lane of alive) {
    const home = groups.find((group) => shared(group[0], lane) >= to);
    if (home) home.push(lane);
    else groups.push([lane]);
  }
  return groups;
}

/** @param {Segment} segment */
function drawSegment({ from, to, group, yFrom, y }) {
  const x0 = scale.x(from);
  const x1 = scale.x(to);
  const bend = Math.min(BEND, x1 - x0);
  const d = yFrom === y ? `M${x0} ${y}H${x1}`
    : `M${x0} ${yFrom}C${x0 + bend / 2} ${yFrom} ${x0 + bend / 2} ${y} ${x0 + bend} ${y}H${x1}`;
  return svg("path", { d, class: group.length > 1 ? "lane trunk" : "lane", style: group.length > 1 ? {} : { stroke: paneColour(group[0]) } });
}

/** Frames of a running step, not committed yet. */
function tails() {
  return state.panes.flatMap((pane, lane) => {
    const committed = totalFrames(pane.nodeId) - 1;
    const last = paneTotal(pane) - 1;
    if (last <= committed) return [];
    return [svg("path", { d: `M${scale.x(committed)} ${laneY([lane])}H${scale.x(last)}`, class: "lane tail", style: { stroke: paneColour(lane) } })];
  });
}

function laneLabels() {
  return state.panes.map((_, lane) => (
    svg("text", { x: 16, y: laneY([lane]) + 4, class: "lane-letter", style: { fill: paneColour(lane) } }, LETTERS[lane])));
}

/** @param {Segment[]} parts */
function stepDots(parts) {
  const dots = [];
  const dense = scale.x(8) - scale.x(0) < DOT_ROOM;
  for (const { from, to, group, y } of parts) {
    for (const node of lineage(state.panes[group[0]].nodeId)) {
      const frame = lastFrame(node);
      if (frame > to || frame < from || (frame === from && from !== 0)) continue;
      if (dense && !node.failed && !node.bookmarked) continue;
      const kind = node.failed ? "failed" : node.bookmarked ? "bookmarked" : node.durability;
      dots.push(svg("circle", { cx: scale.x(frame), cy: y, r: node.failed || node.bookmarked ? 4 : 2.5, class: `step-dot ${kind}` }));
    }
  }
  return dots;
}

/** Where the branches part, or that they do not. @param {number} height */
function marker(height) {
  const frame = divergenceFrame();
  if (frame === null) return state.compare && state.panes.length > 1 ? [note(scale.left, "no difference", "start")] : [];
  const x = scale.x(frame);
  const late = frame > clock.total * 0.6;
  const word = state.compare ? "differs from" : "fork at";
  return [
    svg("path", { d: `M${x} ${TOP - 4}V${height}`, class: "divergence-line" }),
    svg("path", { d: `M${x} 4l5 6-5 6-5-6z`, class: "divergence" }),
    note(x + (late ? -10 : 10), `${word} frame ${frame}`, late ? "end" : "start"),
  ];
}

/** @param {number} x @param {string} words @param {"start"|"end"} anchor */
function note(x, words, anchor) {
  return svg("text", { x, y: 14, "text-anchor": anchor, class: "marker-label" }, words);
}
