/** Forms that keep what is typed until it is sent, also when the page is loaded again, and say at a field what the server refused of it. */

import { complain } from "./fields.js";

/**
 * @import { Problem } from "../net/api.js"
 * @import { Control } from "./fields.js"
 * @typedef {Record<string, string>} Values  by the names of the fields
 */

const PLACE = "arc.drafts";
const MOST = 60;

/** @type {Map<string, Values>} */
let kept = new Map();
try {
  kept = new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? "[]"));
} catch { /* storage is blocked or holds something else: begin anew */ }

/** @param {string} key  which form, and what it is about @returns {Values|null} */
export function draftOf(key) {
  return kept.get(key) ?? null;
}

/** @param {string} key @param {Values|null} values  null: sent, or thrown away */
export function keepDraft(key, values) {
  kept.delete(key);
  if (values) kept.set(key, values);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST) break;
    kept.delete(oldest);
  }
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([...kept]));
  } catch { /* blocked: they last until the page is closed */ }
}

/** @param {HTMLFormElement} form @param {string} name  of the form */
export function keepingDrafts(form, name) {
  let about = "";
  let known = "";
  /** @type {Values} */
  let plain = {};
  form.addEventListener("input", () => keepDraft(`${name}|${about}`, valuesOf(form)));
  return {
    /**
     * Fill the form for a subject: with its draft, else with what the page knows of it.
     * @param {string} subject  its id @param {Values} values
     */
    show(subject, values) {
      if (subject === about && JSON.stringify(values) === known) return;
      const draft = draftOf(`${name}|${subject}`);
      if (subject === about && draft) plain = { ...values }; // the world went on while somebody types: the draft stays
      about = subject;
      known = JSON.stringify(values);
      plain = values;
      fill(form, { ...values, ...draft });
    },
    /** It was sent: the next one begins anew. */
    sent() {
      keepDraft(`${name}|${about}`, null);
      fill(form, plain);
    },
  };
}

/** Say at their fields what the server refused; whether each of them has a field here. @param {HTMLFormElement} form @param {Problem} problem */
export function showOnFields(form, problem) {
  const places = (problem.fields ?? []).map(({ field, words }) => ({ words, control: controlOf(form, field.replace(/^new_/, "")) }));
  for (const { control, words } of places) if (control) complain(control, `This ${words}.`);
  places.find(({ control }) => control)?.control?.focus();
  return places.length > 0 && places.every(({ control }) => control);
}

/** @param {HTMLFormElement} form @param {string} name @returns {Control|null} */
function controlOf(form, name) {
  return /** @type {Control|null} */ (form.elements.namedItem(name));
}

/** @param {HTMLFormElement} form */
function valuesOf(form) {
  const named = /** @type {Control[]} */ ([...form.elements].filter((el) => /** @type {Control} */ (el).name && !("files" in el && el.files)));
  return Object.fromEntries(named.filter((el) => el.type !== "radio" && el.type !== "range").map((el) => [el.name, el.value]));
}

/** @param {HTMLFormElement} form @param {Values} values */
function fill(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const control = controlOf(form, name);
    if (!control) continue;
    control.value = value;
    complain(control, "");
  }
}
