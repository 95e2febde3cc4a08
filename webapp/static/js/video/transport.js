/** Play, speed, frame counter and the way the videos are laid out. */

import { clock, changeSpeed, followLive, nudge, seek, toggle } from "../state/clock.js";
import { pairs } from "../state/comparison.js";
import { stepsAt, fps } from "../state/lineage.js";
import { followHead, jump, setMode, setPair, swap } from "../state/panes.js";
import { LETTERS, emit, on, state, touch } from "../state/store.js";
import { attr, h, text } from "../ui/dom.js";
import { iconButton, segment, segments } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { GAINS, overlay } from "./modes.js";

/** @import { Mode, View } from "../state/types.js" */

/** @type {[Mode, string, string][]} the name of each mode, and what its button says where two branches are open */
const MODES = [["side", "Side", "Side"], ["wipe", "Wipe", "Wipe (W)"], ["blink", "Blink", "Blink (X)"], ["diff", "Difference", "Difference (D)"]];

/** The bar above the videos: view, mode, pair, smoothing. */
export function buildStageBar() {
  const views = segments("View");
  const modes = segments("Compare mode");
  const smooth = iconButton("pixels", "Show pixels", toggleSmooth);
  const out = h("button", { class: "button small", title: "Clips, pictures, actions (E)", "aria-label": "Export", onclick: () => emit("export") },
    icon("download"), h("span", { class: "wide" }, "Export"));
  const el = h("div", { class: "stage-bar" }, views, modes, h("span", { class: "spacer" }), out, smooth);
  on(["view", "panes", "mode"], () => {
    views.replaceChildren(segment("Videos", state.view === "videos", () => setView("videos")),
      segment("Branches", state.view === "grid", () => setView("grid")),
      segment("Evaluations", state.view === "evaluations", () => setView("evaluations")));
    modes.hidden = state.view !== "videos";
    smooth.hidden = modes.hidden;
    out.hidden = modes.hidden;
    modes.replaceChildren(...MODES.map(([mode, name, title]) => {
      const disabled = mode !== "side" && state.panes.length < 2;
      return segment(name, state.mode === mode, () => setMode(mode), { disabled, title: disabled ? "Open a second branch to compare" : title });
    }));
    attr(smooth, "aria-pressed", !state.smooth);
    attr(smooth, "title", state.smooth ? "Show the model's pixels as they are" : "Smooth the picture");
  });
  return el;
}

/** Under the overlay: which pair, how strong, which first. */
export function buildOverlayBar() {
  const el = h("div", { class: "overlay-bar" });
  on(["panes", "mode"], () => {
    el.hidden = state.mode === "side";
    if (!el.hidden) el.replaceChildren(...overlayControls());
  });
  return el;
}

function overlayControls() {
  const list = [];
  if (pairs().length > 1) {
    list.push(segments("Pair", ...pairs().map(([a, b]) => segment(`${LETTERS[a]}·${LETTERS[b]}`,
      state.pair[0] === a && state.pair[1] === b, () => setPair(a, b)))));
  }
  if (state.mode === "diff") {
    list.push(segments("Gain", ...GAINS.map((gain) => segment(`×${gain}`, overlay.gain === gain,
      () => { overlay.gain = gain; touch("mode"); emit("redraw"); }))));
  }
  list.push(h("button", { class: "button small", onclick: swap, title: "Swap the two (S)" }, "Swap"));
  return list;
}

/** @param {View} view */
function setView(view) {
  state.view = view;
  touch("view");
}

function toggleSmooth() {
  state.smooth = !state.smooth;
  touch("mode");
  emit("redraw");
}

/** The bar under the videos. */
export function buildTransport() {
  const playButton = iconButton("play", "Play", toggle, { class: "icon-button play" });
  const speed = h("button", { class: "button small quiet speed", onclick: () => changeSpeed(1), oncontextmenu: slower });
  const counter = h("output", { class: "counter", "aria-live": "off", title: "Frame, step and time" });
  const live = h("button", { class: "button small live-button", title: "Follow the newest frame (End)", onclick: followHead },
    h("span", { class: "dot" }), "Live");
  const loop = iconButton("loop", "Loop from the divergence", () => { clock.loop = !clock.loop; emit("play"); });
  const el = h("div", { class: "transport", role: "group", "aria-label": "Playback" },
    iconButton("first", "First frame (Home)", () => seek(0)), iconButton("prev", "Back one frame (,)", () => nudge(-1)), playButton,
    iconButton("next", "On one frame (.)", () => nudge(1)), iconButton("last", "Newest frame (End)", followLive),
    speed, loop, counter, h("span", { class: "spacer" }),
    h("button", { class: "button small", title: "Go to where the branches part ([ and ])", "aria-label": "Divergence", onclick: () => jump(-1) },
      "◆",
      h("span", { class: "wide" }, "Divergence")), live);
  on(["play"], () => {
    playButton.replaceChildren(icon(clock.playing ? "pause" : "play"));
    attr(playButton, "aria-label", clock.playing ? "Pause" : "Play");
    attr(playButton, "title", `${clock.playing ? "Pause" : "Play"} (Space)`);
    text(speed, `${clock.speed}×`);
    attr(speed, "aria-label", `Speed ${clock.speed} times; press for faster`);
    attr(speed, "title", "Speed (J slower, L faster)");
    attr(loop, "aria-pressed", clock.loop);
    el.classList.toggle("waiting", clock.waiting);
  });
  on(["frame"], () => {
    const last = clock.total - 1;
    text(counter, `${clock.frame} / ${last} · step ${stepsAt(clock.frame)} · ${(clock.frame / fps()).toFixed(2)} s`);
    attr(live, "aria-pressed", clock.follow);
  });
  emit("play");
  emit("frame");
  return el;
}

/** @param {Event} event */
function slower(event) {
  event.preventDefault();
  changeSpeed(-1);
}
