/** Start a world: a sample picture or one's own, and a prompt. */

import { on, state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { keepingDrafts } from "../ui/draft-form.js";
import { Reading, anySeed, busy, field, labelField, promptField, seedDice, seedField, stepsField } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { createSession } from "./actions.js";
import { buildPictureField } from "./picture-field.js";

export const FIRST_PROMPT = "pick up the red cup";
export const FIRST_STEPS = 8;

export function buildNewForm() {
  const picture = buildPictureField();
  const prompt = promptField();
  const seed = seedField("any");
  const steps = stepsField(FIRST_STEPS, 0);
  const label = labelField();
  const go = h("button", { class: "button primary grow", type: "submit" }, icon("plus"), "Start session");
  const form = h("form", { class: "form", id: "new-form", novalidate: true },
    picture.el,
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed, seedDice(seed)), field("First steps", steps)),
    field("Label", label),
    h("div", { class: "form-buttons" }, go));
  const drafts = keepingDrafts(form, "new");
  drafts.show("world", { prompt: FIRST_PROMPT, seed: "", steps: String(FIRST_STEPS), label: "" });
  picture.takesFrom(form);
  on(["samples", "model"], () => picture.showSamples(firstSample()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const read = new Reading();
    const [words, chosen, n] = [read.prompt(prompt), read.whole(seed, "The seed", { optional: true }), read.whole(steps, "First steps")];
    const frame = picture.frame();
    if (!read.ok() || frame === null) return;
    const body = { prompt: words, initial_frame: frame, seed: chosen ?? anySeed(), label: label.value.trim() };
    busy(go, async () => (await createSession(body, n ?? 0, form)) && drafts.sent());
  });
  return form;
}

/** The sample that goes with the first prompt: one with a cup in front. */
export function firstSample() {
  return state.samples.find((sample) => sample.name.startsWith("cup")) ?? state.samples[0];
}
