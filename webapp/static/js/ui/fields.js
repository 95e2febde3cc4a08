/** Form fields that several forms use. */

import { h } from "./dom.js";

let serial = 0;

/** A labelled field. */
export function field(label, control, hint = "") {
  control.id ||= `field-${(serial += 1)}`;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, hint && h("p", { class: "hint" }, hint));
}

export function promptField(name = "prompt") {
  return h("textarea", { name, rows: "2", maxlength: "2000", spellcheck: "true", placeholder: "What shall happen?" });
}

/** A seed: empty means that the server keeps or chooses one. */
export function seedField() {
  return h("input", { name: "seed", type: "number", min: "0", max: "2147483647", step: "1", inputmode: "numeric", placeholder: "same" });
}

export function stepsField(value, min = 1) {
  return h("input", { name: "steps", type: "number", min: String(min), max: "1000", step: "1", value: String(value), inputmode: "numeric" });
}

/** The integer in a field, or undefined when it is empty. */
export function integer(input) {
  return input.value.trim() === "" ? undefined : Math.trunc(Number(input.value));
}

/** A pair of exclusive choices as a button group; calls `onchange` with the value. */
export function choice(label, options, value, onchange) {
  const group = h("div", { class: "segments", role: "group", "aria-label": label });
  const draw = () => group.replaceChildren(...options.map(([key, words]) => h("button", { type: "button", class: "segment",
    "aria-pressed": String(key === value), onclick: () => { value = key; draw(); onchange(key); } }, words)));
  draw();
  return group;
}

/** Run `work` with the button disabled, so that one click is one request. */
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
