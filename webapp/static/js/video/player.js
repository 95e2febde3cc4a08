/** The videos: panes side by side or one overlay, all drawn from one clock in one go. */

import { clock, reducedMotion, setReadiness } from "../state/clock.js";
import { longestTotal, noteDrawn } from "../state/live.js";
import { measure } from "../state/panes.js";
import { LETTERS, on, state } from "../state/store.js";
import { attr, h, text } from "../ui/dom.js";
import { keepFitted } from "./draw.js";
import { describe, drawPair, overlay, startBlink } from "./modes.js";
import { PaneView } from "./pane.js";
import { pictureOf, prefetch, retryMissing } from "./pictures.js";

const views = [];
const root = h("div", { class: "panes" });
const stage = h("canvas", { class: "picture" });
const legend = [h("span", { class: "letter corner left" }), h("span", { class: "letter corner right" })];
const caption = h("p", { class: "overlay-caption" });
const overlayBox = h("div", { class: "overlay frame", tabindex: "0", role: "slider" }, stage, ...legend);
const overlayEl = h("figure", { class: "overlay-wrap" }, overlayBox, caption);
let stopBlink = null;
let drawnKey = [];

/** What is on the screen now, for tests: the frame each visible canvas shows. */
export const shown = { frame: -1, panes: [], draws: 0 };

/** @returns {HTMLElement} */
export function buildPlayer() {
  on("panes active sessions branch jobs mode model", refresh);
  on("frame", draw);
  on("redraw", redraw);
  on("picture", pictureCame);
  on("resync", retryMissing);
  setReadiness((frame) => state.panes.every((pane) => pictureOf(pane, frame) !== "loading"));
  keepFitted(stage, redraw);
  overlayBox.addEventListener("pointermove", (event) => { if (event.buttons || event.pointerType === "mouse") wipeTo(event); });
  overlayBox.addEventListener("pointerdown", wipeTo);
  overlayBox.addEventListener("keydown", wipeByKey);
  return root;
}

/** Redraw the present frame (size, smoothing or theme changed). */
export function redraw() {
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
  root.dataset.count = sideBySide ? state.panes.length : 1;
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
  const pictures = state.panes.map((pane) => pictureOf(pane, frame));
  for (const pane of state.panes) prefetch(pane, frame);
  const loading = pictures.includes("loading");
  root.classList.toggle("loading", loading);
  if (loading) return;
  const key = keyOf(pictures, frame);
  if (shown.frame === frame && key.every((part, i) => part === drawnKey[i])) return;
  drawnKey = key;
  if (state.mode === "side") pictures.forEach((picture, index) => views[index]?.draw(picture, frame));
  else drawOverlay(pictures);
  for (const picture of pictures) noteDrawn(picture.live);
  shown.frame = frame;
  shown.panes = state.panes.map(() => frame);
  shown.draws += 1;
}

/** What the screen would show: drawing it twice would only cost time. */
function keyOf(pictures, frame) {
  return [frame, state.mode, ...state.pair, ...pictures.flatMap((picture) => [picture.image ?? picture, picture.y]),
    ...state.panes.flatMap((pane) => [pane.nodeId, pane.follows])];
}

function drawOverlay(pictures) {
  const [a, b] = state.pair;
  if (pictures[a] === "missing" || pictures[b] === "missing" || !pictures[b]) return;
  drawPair(stage, pictures[a], pictures[b]);
  stage.dataset.frame = clock.frame;
  legend.forEach((el, i) => {
    text(el, LETTERS[state.pair[i]]);
    el.dataset.letter = LETTERS[state.pair[i]];
    el.classList.toggle("off", state.mode === "blink" && (i === 1) !== overlay.second);
  });
  overlayBox.dataset.mode = state.mode;
  attr(overlayBox, "aria-label", describe());
  attr(overlayBox, "aria-valuenow", Math.round(overlay.wipe * 100));
  text(caption, describe());
}

function wipeTo(event) {
  if (state.mode !== "wipe") return;
  const box = stage.getBoundingClientRect();
  overlay.wipe = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
  redraw();
}

function wipeByKey(event) {
  const delta = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
  if (delta === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (state.mode === "blink") overlay.second = delta > 0;
  else overlay.wipe = Math.max(0, Math.min(1, overlay.wipe + delta));
  redraw();
}
