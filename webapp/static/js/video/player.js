/** The videos: panes side by side or one overlay, all drawn from one clock in one go. */

import { clock, reducedMotion, setReadiness } from "../state/clock.js";
import { comparedFrame } from "../state/comparison.js";
import { longestTotal, noteDrawn } from "../state/live.js";
import { measure } from "../state/panes.js";
import { LETTERS, on, state } from "../state/store.js";
import { attr, h, text } from "../ui/dom.js";
import { keepFitted } from "./draw.js";
import { describe, drawPair, overlay, startBlink } from "./modes.js";
import { lookCloser, pixels } from "./looking.js";
import { PaneView } from "./pane.js";
import { pictureOf, prefetch, retryMissing } from "./pictures.js";

/** @import { Picture } from "./pictures.js" */

/** @type {PaneView[]} */
const views = [];
const WIPE_KEYS = new Map([["ArrowLeft", -0.02], ["ArrowRight", 0.02]]);
const root = h("div", { class: "panes" });
/** What wipe, blink and difference are drawn on. */
export const stageCanvas = h("canvas", { class: "picture" });

const legend = [h("span", { class: "letter corner left" }), h("span", { class: "letter corner right" })];
const caption = h("p", { class: "overlay-caption" });
const overlayBox = h("div", { class: "overlay frame", tabindex: "0", role: "slider" }, stageCanvas, ...legend);
const overlayEl = h("figure", { class: "overlay-wrap" }, overlayBox, caption);
/** @type {(() => void)|null} */
let stopBlink = null;
/** @type {unknown[]} */
let drawnKey = [];

/** What is on the screen now, for tests: the frame each visible canvas shows. */
export const shown = { frame: -1, panes: /** @type {number[]} */ ([]), draws: 0 };

/** @returns {HTMLElement} */
export function buildPlayer() {
  on(["panes", "active", "sessions", "branch", "jobs", "mode", "model"], refresh);
  on(["frame"], draw);
  on(["redraw"], redraw);
  on(["picture"], pictureCame);
  on(["resync"], retryMissing);
  setReadiness((frame) => state.panes.every((pane) => pictureOf(pane, frame) !== "loading"));
  keepFitted(stageCanvas, redraw);
  lookCloser(root);
  on(["pixel"], () => { if (state.mode !== "side") text(caption, pixelsInWords() || describe(clock.frame)); });
  overlayBox.addEventListener("pointermove", (event) => { if (event.buttons || event.pointerType === "mouse") wipeTo(event); });
  overlayBox.addEventListener("pointerdown", wipeTo);
  overlayBox.addEventListener("keydown", wipeByKey);
  return root;
}

/** The pixel under the pointer in both. */
function pixelsInWords() {
  return pixels.length ? state.pair.map((i) => `${LETTERS[i]} ${pixels[i]}`).join(" · ") : "";
}

/** Redraw the present frame (size, smoothing or theme changed). */
function redraw() {
  shown.frame = -1;
  draw();
}

function refresh() {
  const sideBySide = state.mode === "side";
  while (views.length < state.panes.length) views.push(new PaneView(views.length));
  const wanted = sideBySide ? views.slice(0, state.panes.length).map((view) => view.el) : [overlayEl];
  if (root.children.length !== wanted.length || wanted.some((el, i) => root.children[i] !== el)) {
    root.replaceChildren(...wanted);
    shown.frame = -1;
  }
  root.dataset.count = String(wanted.length);
  const { image_width: w, image_height: hgt } = state.model?.geometry ?? {};
  root.style.setProperty("--aspect", w && hgt ? String(w / hgt) : "1");
  if (sideBySide) state.panes.forEach((_, index) => views[index].refresh());
  refreshBlink();
  draw();
}

function refreshBlink() {
  const wanted = state.mode === "blink";
  if (wanted && !stopBlink) {
    overlay.blinking = !reducedMotion();
    stopBlink = startBlink(redraw);
  } else if (!wanted && stopBlink) {
    stopBlink();
    stopBlink = null;
  }
}

function pictureCame() {
  if (longestTotal() !== clock.total) measure();
  else redraw();
}

/** Draw all panes at the clock's frame, or none: a pane never runs ahead of one that is still loading. */
function draw() {
  if (!state.panes.length) return;
  const { frame } = clock;
  const at = state.mode === "side" ? frame : comparedFrame(frame).frame;
  const pictures = state.panes.map((pane) => pictureOf(pane, at));
  for (const pane of state.panes) prefetch(pane, frame);
  const ready = pictures.filter((picture) => picture !== "loading").map((picture) => (picture === "missing" ? null : picture));
  root.classList.toggle("loading", ready.length < pictures.length);
  if (ready.length < pictures.length) return;
  const key = keyOf(ready, frame);
  if (shown.frame === frame && key.every((part, i) => part === drawnKey[i])) return;
  drawnKey = key;
  if (state.mode === "side") ready.forEach((picture, index) => views[index]?.draw(picture, frame));
  else drawOverlay(ready);
  for (const picture of ready) noteDrawn(picture?.live);
  shown.frame = frame;
  shown.panes = state.panes.map(() => at);
  shown.draws += 1;
}

/** What the screen would show: drawing it twice would only cost time. @param {(Picture|null)[]} pictures @param {number} frame */
function keyOf(pictures, frame) {
  return [frame, state.mode, ...state.pair, ...pictures.flatMap((picture) => [picture?.image, picture?.y]),
    ...state.panes.flatMap((pane) => [pane.nodeId, pane.follows])];
}

/** @param {(Picture|null)[]} pictures */
function drawOverlay(pictures) {
  const [a, b] = state.pair.map((index) => pictures[index]);
  if (!a || !b) return;
  drawPair(stageCanvas, a, b);
  stageCanvas.dataset.frame = String(comparedFrame(clock.frame).frame);
  legend.forEach((el, i) => {
    text(el, LETTERS[state.pair[i]]);
    el.dataset.letter = LETTERS[state.pair[i]];
    el.classList.toggle("off", state.mode === "blink" && (i === 1) !== overlay.second);
  });
  overlayBox.dataset.mode = state.mode;
  attr(overlayBox, "aria-label", describe(clock.frame));
  attr(overlayBox, "aria-valuenow", Math.round(overlay.wipe * 100));
  text(caption, describe(clock.frame));
}

/** @param {PointerEvent} event */
function wipeTo(event) {
  if (state.mode !== "wipe") return;
  const box = stageCanvas.getBoundingClientRect();
  overlay.wipe = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  redraw();
}

/** @param {KeyboardEvent} event */
function wipeByKey(event) {
  const delta = WIPE_KEYS.get(event.key);
  if (delta === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (state.mode === "blink") overlay.second = delta > 0;
  else overlay.wipe = Math.max(0, Math.min(1, overlay.wipe + delta));
  redraw();
}
