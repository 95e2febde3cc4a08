/** Start a world: a sample picture or one's own, and a prompt. */

import { here } from "../state/address.js";
import { on, state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { busy, field, integer, promptField, seedField, stepsField } from "../ui/fields.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toasts.js";
import { createSession } from "./actions.js";

/** @import { Sample } from "../state/types.js" */
/** @typedef {{frame: string|null}} Chosen  the initial frame as the API takes it */

export const FIRST_PROMPT = "pick up the red cup";
export const FIRST_STEPS = 8;
const LARGEST = 12e6;

export function buildNewForm() {
  const pictures = h("div", { class: "samples", role: "radiogroup", "aria-label": "Initial frame" });
  const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp", class: "file", "aria-label": "Upload an initial frame" });
  const prompt = promptField();
  prompt.value = FIRST_PROMPT;
  const seed = seedField();
  seed.placeholder = "any";
  const steps = stepsField(FIRST_STEPS, 0);
  const label = h("input", { name: "label", maxlength: "200", placeholder: "optional" });
  const go = h("button", { class: "button primary grow", type: "submit" }, icon("plus"), "Start session");
  /** @type {Chosen} */
  const chosen = { frame: null };
  const form = h("form", { class: "form", id: "new-form", novalidate: true },
    h("div", { class: "field" }, h("span", { class: "label" }, "Initial frame"), pictures),
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed), field("First steps", steps)), field("Label", label),
    h("div", { class: "form-buttons" }, go));
  file.addEventListener("change", () => upload(file, chosen, pictures));
  on(["samples"], () => showSamples(pictures, file, chosen));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!chosen.frame) return toast("Choose an initial frame first.", { kind: "bad", key: "frame" });
    const body = { prompt: prompt.value.trim(), initial_frame: chosen.frame, seed: integer(seed), label: label.value.trim() };
    return busy(go, () => createSession(body, Math.max(0, integer(steps) ?? 0)));
  });
  return form;
}

/** The sample that goes with the first prompt: one with a cup in front. */
export function firstSample() {
  return state.samples.find((sample) => sample.name.startsWith("cup")) ?? state.samples[0];
}

/** @param {HTMLElement} pictures @param {HTMLInputElement} file @param {Chosen} chosen */
function showSamples(pictures, file, chosen) {
  const first = firstSample();
  const options = state.samples.map((sample) => option(sample, sample === first, chosen));
  const own = h("label", { class: "sample upload", title: "Your own picture: PNG, JPEG or WebP" }, file, icon("plus"), h("span", {}, "Upload"));
  pictures.replaceChildren(...options, own);
  if (first) chosen.frame = first.initial_frame;
}

/** @param {Sample} sample @param {boolean} checked @param {Chosen} chosen */
function option(sample, checked, chosen) {
  const words = sample.name.replaceAll(/[_-]/g, " ");
  const radio = h("input", { type: "radio", name: "sample", value: sample.initial_frame, checked, "aria-label": words });
  radio.addEventListener("change", () => { chosen.frame = sample.initial_frame; });
  return h("label", { class: "sample", title: words }, radio, h("img", { src: here(sample.url), alt: "", width: "64", height: "64" }));
}

/** @param {HTMLInputElement} file @param {Chosen} chosen @param {HTMLElement} pictures */
async function upload(file, chosen, pictures) {
  const picked = file.files?.[0];
  if (!picked) return;
  if (picked.size > LARGEST) return toast(`${clip(picked.name, 30)} is too large.`, { kind: "bad", more: "Send a picture of at most 12 MB." });
  /** @type {string} */
  const address = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsDataURL(picked);
  });
  chosen.frame = address.slice(address.indexOf(",") + 1);
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (pictures.querySelectorAll("input[type=radio]"))) radio.checked = false;
  file.parentElement?.classList.add("chosen");
  file.parentElement?.replaceChildren(file, icon("plus"), h("span", {}, clip(picked.name, 12)),
    h("img", { src: address, alt: "", width: "64", height: "64" }));
}
