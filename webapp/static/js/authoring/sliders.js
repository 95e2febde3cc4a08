/** Sliders for a given action, one per dimension; the same action is held for the whole step. */

import { on, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { short } from "../ui/format.js";
import { isWhole } from "./driving.js";

/** @import { Schemas } from "../state/types.js" */

export function buildSliders() {
  const el = h("div", { class: "sliders" });
  /** @type {HTMLInputElement[]} */
  let inputs = [];
  const build = () => {
    const geometry = state.model?.geometry;
    if (!geometry || inputs.length === geometry.action_dim) return;
    const rows = Array.from({ length: geometry.action_dim }, (_, dim) => slider(geometry, dim));
    inputs = rows.map((row) => row.input);
    el.replaceChildren(...rows.map((row) => row.el),
      h("button", { class: "button small quiet", onclick: () => inputs.forEach(reset) }, "Back to rest"));
  };
  on(["model"], build);
  return {
    el,
    /** The actions of one step. */
    chunk() {
      const values = inputs.map((input) => Number(input.value));
      return Array.from({ length: state.model?.geometry.action_horizon ?? 0 }, () => values);
    },
  };
}

/** @param {Schemas["GeometryView"]} geometry @param {number} dim */
function slider(geometry, dim) {
  const low = geometry.action_low[dim] ?? -1;
  const high = geometry.action_high[dim] ?? 1;
  const name = geometry.action_names[dim] ?? `a${dim}`;
  const out = h("output", {});
  const { choices = [], unit = geometry.action_units?.[dim] ?? "" } = geometry.controls?.[dim] ?? {};
  const step = isWhole(geometry, dim) ? 1 : (high - low) / 100;
  const ends = [low, high].map((value) => choices[value - low] ?? short(value, 2));
  const limits = `${name}: ${ends.join(" to ")}${unit && ` ${unit}`}`;
  const input = h("input", { type: "range", min: low, max: high, step, "aria-label": `Action ${name}`, title: limits });
  input.addEventListener("input", () => {
    const words = choices[Number(input.value) - low] ?? short(Number(input.value), 2);
    text(out, words);
    input.setAttribute("aria-valuetext", `${words}${unit && ` ${unit}`}`);
  });
  reset(input);
  return { input, el: h("div", { class: "slider-row", title: limits }, h("span", {}, name), input, out) };
}

/** Rest is zero where zero is allowed. @param {HTMLInputElement} input */
function reset(input) {
  const [low, high] = [Number(input.min), Number(input.max)];
  input.value = String(low <= 0 && high >= 0 ? 0 : low);
  input.dispatchEvent(new Event("input"));
}
