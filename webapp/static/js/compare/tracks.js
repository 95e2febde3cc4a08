/** Timeline, heat strip and action plots on one horizontal scale, with one playhead and one slider over all. */

import { clock, pause, seek } from "../state/clock.js";
import { framesPerStep, stepsAt } from "../state/lineage.js";
import { on } from "../state/store.js";
import { attr, h } from "../ui/dom.js";
import { buildHeat } from "./heat.js";
import { buildPlots } from "./plots.js";
import { buildTimeline } from "./timeline.js";

const GUTTER = 52;
const RIGHT = 18;
const LATER_MS = 120;

/** The shared scale: pixels of a frame. `width` follows the container. */
export const scale = {
  width: 600,
  x(frame) {
    const room = this.width - GUTTER - RIGHT;
    return GUTTER + (clock.total > 1 ? (frame / (clock.total - 1)) * room : 0);
  },
  frame(x) {
    const room = this.width - GUTTER - RIGHT;
    return Math.round(((x - GUTTER) / room) * (clock.total - 1));
  },
  left: GUTTER,
  right: RIGHT,
};

/** @returns {HTMLElement} */
export function buildTracks() {
  const playhead = h("div", { class: "playhead", "aria-hidden": "true" });
  const slider = h("div", { class: "scrubber", role: "slider", tabindex: "0", "aria-label": "Video frame", "aria-valuemin": "0" });
  const parts = [buildTimeline(slider), buildHeat(), buildPlots()];
  const el = h("div", { class: "tracks" }, ...parts.map((part) => part.el), playhead);
  const renderAll = () => parts.forEach((part) => part.render(scale));
  const place = () => {
    playhead.style.transform = `translateX(${scale.x(clock.frame)}px)`;
    attr(slider, "aria-valuemax", clock.total - 1);
    attr(slider, "aria-valuenow", clock.frame);
    attr(slider, "aria-valuetext", `frame ${clock.frame} of ${clock.total - 1}, step ${stepsAt(clock.frame)}`);
  };
  const refresh = () => {
    renderAll();
    place();
  };
  let waiting = 0;
  const renderLater = () => { // a running step adds frames often: lanes and plots may follow a little later
    waiting ||= setTimeout(() => {
      waiting = 0;
      refresh();
    }, LATER_MS);
  };
  let totalSeen = 0;
  on("frame", () => {
    if (totalSeen !== clock.total) {
      totalSeen = clock.total;
      renderLater();
    }
    place();
  });
  on("compare theme model", refresh);
  on("panes branch", renderLater);
  new ResizeObserver(([entry]) => {
    scale.width = entry.contentRect.width;
    renderAll();
    place();
  }).observe(el);
  scrubWithPointer(el);
  slider.addEventListener("keydown", scrubWithKeys);
  return el;
}

function scrubWithPointer(el) {
  const toPointer = (event) => seek(scale.frame(event.clientX - el.getBoundingClientRect().left));
  el.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("button")) return;
    pause();
    el.setPointerCapture(event.pointerId);
    toPointer(event);
  });
  el.addEventListener("pointermove", (event) => {
    if (el.hasPointerCapture(event.pointerId)) toPointer(event);
  });
}

function scrubWithKeys(event) {
  const delta = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -framesPerStep(), PageUp: framesPerStep() }[event.key];
  if (delta === undefined) return;
  event.preventDefault();
  pause();
  seek(clock.frame + delta);
}
