/** Timeline, heat strip and action plots on one scale, with one playhead and one slider over all. */

import { clock, nudge, pause, seek } from "../state/clock.js";
import { framesPerStep, stepsAt } from "../state/lineage.js";
import { emit, on } from "../state/store.js";
import { attr, h } from "../ui/dom.js";
import { buildHeat } from "./heat.js";
import { buildPlots } from "./plots.js";
import { buildRuler } from "./ruler.js";
import { scale } from "./scale.js";
import { buildTimeline } from "./timeline.js";

const LATER_MS = 120;
/** How far each key moves the playhead: frames, or steps. */
const KEYS = new Map([["ArrowLeft", -1], ["ArrowRight", 1], ["ArrowDown", -1], ["ArrowUp", 1]]);
const STEP_KEYS = new Map([["PageDown", -1], ["PageUp", 1]]);

export function buildTracks() {
  const playhead = h("div", { class: "playhead", "aria-hidden": "true" });
  const slider = h("div", { class: "scrubber", role: "slider", tabindex: "0", "aria-label": "Video frame", "aria-valuemin": "0" });
  const plots = buildPlots();
  const parts = [buildRuler(), buildTimeline(slider), buildHeat(), plots];
  const el = h("div", { class: "tracks" }, ...parts.map((part) => part.el), playhead);
  const place = () => {
    const x = scale.x(clock.frame);
    playhead.style.transform = `translateX(${x}px)`;
    playhead.hidden = x < scale.left - 1 || x > scale.right + 1;
    attr(slider, "aria-valuemax", clock.total - 1);
    attr(slider, "aria-valuenow", clock.frame);
    attr(slider, "aria-valuetext", `frame ${clock.frame} of ${clock.total - 1}, step ${stepsAt(clock.frame)}`);
  };
  const refresh = () => {
    for (const part of parts) part.render();
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
  on(["frame"], () => {
    if (totalSeen !== clock.total) {
      totalSeen = clock.total;
      renderLater();
    }
    place();
  });
  on(["compare", "theme", "model", "zoom"], refresh);
  on(["panes", "branch"], renderLater);
  new ResizeObserver(([entry]) => {
    scale.width = entry.contentRect.width;
    refresh();
  }).observe(el);
  scrubWithPointer(el);
  zoomWithWheel(el);
  pointWith(el, plots.point);
  slider.addEventListener("keydown", scrubWithKeys);
  return el;
}

/** @param {HTMLElement} el */
function scrubWithPointer(el) {
  const toPointer = (/** @type {PointerEvent} */ event) => seek(scale.frame(event.clientX - el.getBoundingClientRect().left));
  el.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || /** @type {Element} */ (event.target).closest("button")) return;
    pause();
    el.setPointerCapture(event.pointerId);
    toPointer(event);
  });
  el.addEventListener("pointermove", (event) => {
    if (el.hasPointerCapture(event.pointerId)) toPointer(event);
  });
}

/** The wheel looks closer where the pointer is (with Shift it goes along); a double click shows all again. @param {HTMLElement} el */
function zoomWithWheel(el) {
  el.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (!event.ctrlKey && !event.metaKey && !sideways) return; // an ordinary wheel scrolls the page
    event.preventDefault();
    const [from, to] = scale.view;
    if (event.ctrlKey || event.metaKey) scale.zoom(2 ** (event.deltaY / 300), event.clientX - el.getBoundingClientRect().left);
    else scale.pan((sideways / scale.width) * (to - from));
    emit("zoom");
  }, { passive: false });
  el.addEventListener("dblclick", () => {
    scale.all();
    emit("zoom");
  });
}

/** @param {HTMLElement} el @param {(frame: number|null) => void} tell  the frame under the pointer */
function pointWith(el, tell) {
  el.addEventListener("pointermove", (event) => {
    const x = event.clientX - el.getBoundingClientRect().left;
    tell(event.pointerType === "mouse" && !event.buttons && x >= scale.left && x <= scale.right ? scale.frame(x) : null);
  });
  el.addEventListener("pointerleave", () => tell(null));
}

/** @param {KeyboardEvent} event */
function scrubWithKeys(event) {
  const delta = KEYS.get(event.key) ?? (STEP_KEYS.get(event.key) ?? 0) * framesPerStep();
  if (!delta) return;
  event.preventDefault();
  nudge(delta);
}
