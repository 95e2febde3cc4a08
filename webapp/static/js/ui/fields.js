/** Form fields and buttons that several panels use. */

import { promptWords, wholeNumber } from "./checks.js";
import { attr, h, text } from "./dom.js";
import { icon } from "./icons.js";

/**
 * @import { IconName } from "./icons.js"
 * @typedef {HTMLInputElement|HTMLTextAreaElement|HTMLSelectElement} Control
 */

let serial = 0;

/** A labelled field, with room for what is wrong with it. @param {string} label @param {Control} control @param {...HTMLElement} more  beside it */
export function field(label, control, ...more) {
  control.id ||= `field-${(serial += 1)}`;
  const wrong = h("p", { class: "field-wrong", id: `${control.id}-wrong`, role: "alert" });
  control.addEventListener("input", () => complain(control, ""));
  const line = more.length ? h("div", { class: "field-line" }, control, ...more) : control;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), line, wrong);
}

/** Say at a field what is wrong with it; "": nothing. @param {Control} control @param {string} words */
export function complain(control, words) {
  const wrong = document.getElementById(`${control.id}-wrong`);
  if (!wrong || wrong.textContent === words) return;
  text(wrong, words);
  if (words) attr(control, "aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
  if (words) attr(control, "aria-describedby", wrong.id);
  else control.removeAttribute("aria-describedby");
}

/**
 * @typedef {(id: string, value: string) => void} Show  whose value it is, and the value
 */

/**
 * `show(id, value)` puts a value into the field, unless somebody wrote another one there since the last call for the same
 * id: that one is kept until it is sent or taken away.
 * @param {Control} control @param {(written: string) => string} [plain]  what is sent of what is written
 * @returns {Show}
 */
export function live(control, plain = (written) => written.trim()) {
  let of = "";
  let known = "";
  return (id, value) => {
    const isDraft = id === of && ![known, value].includes(plain(control.value));
    if (!isDraft && control.value !== value) control.value = value;
    [of, known] = [id, value];
  };
}

/** Reads the fields of a form; what cannot be read is said at its field, and the form is not sent. */
export class Reading {
  /** @type {Control[]} */
  #wrong = [];

  /** @param {HTMLInputElement} input @param {string} name */
  whole(input, name, { optional = false } = {}) {
    const words = input.validity.badInput ? "that" : input.value;
    return this.take(input, wholeNumber(words, { name, min: Number(input.min), max: Number(input.max), optional }));
  }

  /** @param {HTMLTextAreaElement} area */
  prompt(area) {
    return this.take(area, promptWords(area.value, limit("maxPrompt", 2000)));
  }

  /**
   * What was made of a field's words, or what is wrong with them.
   * @template T @param {Control} control @param {import("./checks.js").Checked<T>} checked
   */
  take(control, { value, problem }) {
    complain(control, problem);
    if (problem) this.#wrong.push(control);
    return value;
  }

  /** Whether all could be read. */
  fine() {
    return !this.#wrong.length;
  }

  /** Whether all could be read; else the first wrong field has the focus. */
  ok() {
    this.#wrong[0]?.focus();
    return this.fine();
  }
}

/** A limit that the server set (index.html carries it). @param {string} name @param {number} otherwise */
export function limit(name, otherwise) {
  return Number(document.body.dataset[name]) || otherwise;
}

export function promptField() {
  return h("textarea", { name: "prompt", rows: "2", spellcheck: "true", placeholder: "What shall happen?" });
}

const LARGEST_SEED = 2147483647;

/** A seed. @param {string} empty  what an empty field means */
export function seedField(empty) {
  return h("input", { name: "seed", type: "number", min: "0", max: String(LARGEST_SEED), step: "1", inputmode: "numeric", placeholder: empty });
}

/** Any seed: a different one every time. */
export function anySeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % (LARGEST_SEED + 1);
}

/** Throws the dice for a seed field. @param {HTMLInputElement} input */
export function seedDice(input) {
  return iconButton("dice", "Throw the dice", () => {
    input.value = String(anySeed());
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

/** The name that a person gives. */
export function labelField(props = {}) {
  return h("input", { name: "label", maxlength: "200", placeholder: "optional", ...props });
}

/** @param {number} value @param {number} [min] */
export function stepsField(value, min = 1) {
  return h("input", { name: "steps", type: "number", min: String(min), max: String(limit("maxSteps", 1000)), step: "1", value: String(value),
    inputmode: "numeric" });
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
