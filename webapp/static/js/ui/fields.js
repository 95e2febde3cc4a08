/** Form fields and buttons that several panels use. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** @import { IconName } from "./icons.js" */

let serial = 0;

/** A labelled field. @param {string} label @param {HTMLElement} control */
export function field(label, control) {
  control.id ||= `field-${(serial += 1)}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

export function promptField() {
  return h("textarea", { name: "prompt", rows: "2", maxlength: "2000", spellcheck: "true", placeholder: "What shall happen?" });
}

/** A seed: empty means that the server keeps or chooses one. */
export function seedField() {
  return h("input", { name: "seed", type: "number", min: "0", max: "2147483647", step: "1", inputmode: "numeric", placeholder: "same" });
}

/** @param {number} value @param {number} [min] */
export function stepsField(value, min = 1) {
  return h("input", { name: "steps", type: "number", min: String(min), max: "1000", step: "1", value: String(value), inputmode: "numeric" });
}

/** The integer in a field, or undefined when it is empty. @param {HTMLInputElement} input */
export function integer(input) {
  return input.value.trim() === "" ? undefined : Math.trunc(Number(input.value));
}

/** Buttons of which one is pressed. @param {string} label @param {...HTMLElement} buttons  by `segment` */
export function segments(label, ...buttons) {
  return h("div", { class: "segments", role: "group", "aria-label": label }, ...buttons);
}

/** @param {IconName} name @param {string} label @param {(event: MouseEvent) => unknown} onclick */
export function iconButton(name, label, onclick, props = {}) {
  return h("button", { class: "icon-button", title: label, "aria-label": label, onclick, ...props }, icon(name));
}

/** @param {string} label @param {boolean} pressed @param {() => void} onclick */
export function segment(label, pressed, onclick, props = {}) {
  return h("button", { class: "segment", "aria-pressed": String(pressed), onclick, ...props }, label);
}

/**
 * A pair of exclusive choices as a button group; calls `onchange` with the value.
 * @template {string} T
 * @param {string} label @param {[T, string][]} options  value and label
 * @param {T} value @param {(value: T) => void} onchange
 */
export function choice(label, options, value, onchange) {
  const group = segments(label);
  const draw = () => group.replaceChildren(...options.map(([key, words]) => segment(words, key === value,
    () => { value = key; draw(); onchange(key); })));
  draw();
  return group;
}

/** Run `work` with the button disabled, so that one click is one request. @param {HTMLButtonElement} button @param {() => Promise<unknown>} work */
export async function busy(button, work) {
  if (button.disabled) return;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}
