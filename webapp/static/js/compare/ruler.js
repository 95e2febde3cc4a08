/** The ruler over the tracks: frames and seconds, and the part of the time that is looked at. */

import { fps } from "../state/lineage.js";
import { emit } from "../state/store.js";
import { attr, h, svg } from "../ui/dom.js";
import { scale } from "./scale.js";

const HEIGHT = 20;
const PER_TICK = 74; // pixels
const ROOM = 26; // that words need beside a tick

export function buildRuler() {
  const drawing = svg("svg", { class: "ruler", height: HEIGHT, "aria-hidden": "true" });
  const all = h("button", { class: "button small ruler-all", hidden: true, title: "Show all of the time (double click)", onclick: () => {
    scale.all();
    emit("zoom");
  } }, "Show all");
  const el = h("div", { class: "track ruler-track" }, drawing, all);
  return { el, render: () => {
    attr(drawing, "width", scale.width);
    all.hidden = !scale.zoomed;
    const ticks = d3.scaleLinear(scale.view, [0, 1]).ticks(Math.max(2, (scale.right - scale.left) / PER_TICK)).filter(Number.isInteger);
    drawing.replaceChildren(svg("text", { x: 8, y: 13, class: "ruler-name" }, "frame"), ...ticks.flatMap((frame) => [
      svg("path", { d: `M${scale.x(frame)} 15V${HEIGHT}`, class: "ruler-tick" }),
      svg("text", { x: Math.min(scale.x(frame), scale.width - ROOM), y: 13, class: "ruler-words",
        "text-anchor": scale.x(frame) < scale.left + ROOM ? "start" : "middle" }, String(frame),
        svg("tspan", { class: "ruler-time", dx: 3 }, `${Number((frame / fps()).toFixed(2))} s`))]));
  } };
}
