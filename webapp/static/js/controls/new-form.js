/** Start a world: a sample picture or one's own, and a prompt. */

import { on, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { busy, field, integer, promptField, seedField, stepsField } from "../ui/fields.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toasts.js";
import { createSession } from "./actions.js";

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
  const chosen = { frame: null };
  const form = h("form", { class: "form", id: "new-form", novalidate: true },
    h("div", { class: "field" }, h("span", { class: "label" }, "Initial frame"), pictures),
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed), field("First steps", steps)), field("Label", label),
    h("div", { class: "form-buttons" }, go));
  file.addEventListener("change", () => upload(file, chosen, pictures));
  on("samples", () => showSamples(pictures, file, chosen));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!chosen.frame) return void toast("Choose an initial frame first.", { kind: "bad", key: "frame" });
    busy(go, () => createSession({ prompt: prompt.value.trim(), initialFrame: chosen.frame, seed: integer(seed), label: label.value.trim(),
      steps: Math.max(0, integer(steps) ?? 0) }));
  });
  return form;
}

/** The sample that goes with the first prompt: one with a cup in front. */
export function firstSample() {
  return state.samples.find((sample) => sample.name.startsWith("cup")) ?? state.samples[0];
}

function showSamples(pictures, file, chosen) {
  const first = firstSample();
  const options = state.samples.map((sample) => option(`sample:${sample.name}`, sample.url, sample.name, sample === first, chosen));
  const own = h("label", { class: "sample upload", title: "Your own picture: PNG, JPEG or WebP" }, file, icon("plus"), h("span", {}, "Upload"));
  pictures.replaceChildren(...options, own);
  if (first) chosen.frame = `sample:${first.name}`;
}

function option(value, url, name, first, chosen) {
  const words = name.replaceAll("_", " ").replaceAll("-", " ");
  const radio = h("input", { type: "radio", name: "sample", value, checked: first, "aria-label": words });
  radio.addEventListener("change", () => { chosen.frame = value; });
  return h("label", { class: "sample", title: words }, radio, h("img", { src: url, alt: "", width: "64", height: "64" }));
}

async function upload(file, chosen, pictures) {
  const picked = file.files[0];
  if (!picked) return;
  if (picked.size > LARGEST) return void toast(`${clip(picked.name, 30)} is too large.`, { kind: "bad", more: "Send a picture of at most 12 MB." });
  const address = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(picked);
  });
  chosen.frame = address.slice(address.indexOf(",") + 1);
  for (const radio of pictures.querySelectorAll("input[type=radio]")) radio.checked = false;
  const label = file.closest("label");
  label.classList.add("chosen");
  label.querySelectorAll("img").forEach((img) => img.remove());
  label.append(h("img", { src: address, alt: "", width: "64", height: "64" }));
  text(label.querySelector("span"), clip(picked.name, 12));
}
