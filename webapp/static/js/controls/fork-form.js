/** Fork the subject: another prompt, seed, settings of the model, action or label, and how far to run at once. */

import { buildGiven } from "../authoring/given.js";
import { buildSettings } from "../authoring/setting-fields.js";
import { pictureOf } from "../net/api.js";
import { on, state } from "../state/store.js";
import { subject } from "../state/subject.js";
import { h, text } from "../ui/dom.js";
import { keepingDrafts } from "../ui/draft-form.js";
import { Reading, busy, choice, complain, field, labelField, promptField, seedDice, seedField, stepsField } from "../ui/fields.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { fork } from "./actions.js";
import { nameOf } from "./subject-words.js";

/** @import { Node, Schemas } from "../state/types.js" */

/** @type {[Schemas["ForkBody"]["prompt_mode"], string][]} what a new prompt does to the attention cache of the present window */
const MODES = [["keep", "Keep"], ["recache", "Rebuild"], ["reset", "Drop"]];
const STEPS = 8;

export function buildForkForm() {
  const picture = h("img", { class: "fork-picture", alt: "", width: "56", height: "56" });
  const from = h("p", { class: "form-for" });
  const prompt = promptField();
  const seed = seedField("as the checkpoint's");
  const steps = stepsField(STEPS, 0);
  const label = labelField();
  const given = buildGiven(steps);
  const settings = buildSettings();
  /** @type {Schemas["ForkBody"]["prompt_mode"]} */
  let promptMode = "keep";
  const mode = choice("Attention cache", MODES, promptMode, (value) => { promptMode = value; });
  const go = h("button", { class: "button primary grow", type: "submit" }, icon("fork"), "Fork");
  const form = h("form", { class: "form", id: "fork-form", novalidate: true },
    h("div", { class: "fork-from" }, picture, from),
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed, seedDice(seed)), field("Steps", steps)), ...given.els,
    settings.el, field("Label", label),
    h("div", { class: "field", title: "What a new prompt does to the attention cache of the present window" },
      h("span", { class: "label" }, "Attention cache"), mode),
    h("div", { class: "form-buttons" }, go));
  const drafts = keepingDrafts(form, "fork");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const node = subject()?.node;
    const read = new Reading();
    const [words, chosen, n] = [read.prompt(prompt), read.whole(seed, "The seed", { optional: true }), read.whole(steps, "Steps")];
    const tuned = settings.read(read, node?.model_settings);
    if (!node || !read.ok()) return;
    const actions = given.actions(n ?? 0);
    if (actions?.length === 0) {
      complain(steps, "Given actions need a step to be given to: at least 1.");
      steps.focus();
      return;
    }
    busy(go, async () => (await fork(node, {
      checkpoint_id: node.id, prompt_mode: promptMode, steps: n ?? 0, label: label.value.trim(),
      new_prompt: words === node.prompt ? null : words, new_seed: chosen === node.seed ? null : chosen, actions,
      model_settings: tuned,
    }, form)) && drafts.sent());
  });
  on(["selection", "nodes", "sessions", "panes", "active", "model"], () => {
    const now = subject();
    go.disabled = !now;
    text(from, now ? `From step ${now.node.frame_index} of ${nameOf(now)}${now.node.label ? ` (${clip(now.node.label, 40)})` : ""}`
      : "Select a checkpoint in the tree, or press G at a frame.");
    picture.hidden = !now;
    if (!now) return;
    const { node } = now;
    if (picture.getAttribute("src") !== pictureOf(node)) picture.src = pictureOf(node);
    drafts.show(node.id, { prompt: promptOf(node), seed: seedOf(node), label: "", ...settings.drafted(node.model_settings) });
  });
  return form;
}

/** @param {Node} node */
function seedOf(node) {
  return String(node.seed ?? state.sessions.get(node.session_id)?.seed ?? "");
}

/** @param {Node} node */
function promptOf(node) {
  return node.prompt || state.sessions.get(node.session_id)?.prompt || "";
}
