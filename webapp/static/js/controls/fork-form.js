/** Fork the selected checkpoint: another prompt, seed or label, and how far to run at once. */

import { pictureOf } from "../net/api.js";
import { on, selectedNode, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { busy, choice, field, integer, promptField, seedField, stepsField } from "../ui/fields.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { fork } from "./actions.js";

/** @import { Node, Schemas } from "../state/types.js" */

/** @type {[Schemas["ForkBody"]["prompt_mode"], string][]} what a new prompt does to the attention cache of the present window */
const MODES = [["keep", "Keep"], ["recache", "Rebuild"], ["reset", "Drop"]];

export function buildForkForm() {
  const picture = h("img", { class: "fork-picture", alt: "", width: "56", height: "56" });
  const from = h("p", { class: "form-for" });
  const prompt = promptField();
  const seed = seedField();
  const steps = stepsField(8, 0);
  const label = h("input", { name: "label", maxlength: "200", placeholder: "optional" });
  /** @type {Schemas["ForkBody"]["prompt_mode"]} */
  let promptMode = "keep";
  const mode = choice("Attention cache", MODES, promptMode, (value) => { promptMode = value; });
  const go = h("button", { class: "button primary grow", type: "submit" }, icon("fork"), "Fork");
  const form = h("form", { class: "form", id: "fork-form", novalidate: true },
    h("div", { class: "fork-from" }, picture, from),
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed), field("Steps", steps)), field("Label", label),
    h("div", { class: "field", title: "What a new prompt does to the attention cache of the present window" },
      h("span", { class: "label" }, "Attention cache"), mode),
    h("div", { class: "form-buttons" }, go));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const node = selectedNode();
    if (!node) return;
    const words = prompt.value.trim();
    busy(go, () => fork(node.session_id, {
      checkpoint_id: node.id, prompt_mode: promptMode, steps: Math.max(0, integer(steps) ?? 0), label: label.value.trim(),
      new_prompt: words === node.prompt ? null : words, new_seed: integer(seed) === node.seed ? null : integer(seed),
    }));
  });
  let filledFor = "";
  on(["selection", "nodes", "sessions"], () => {
    const node = selectedNode();
    go.disabled = !node;
    text(from, node ? `From step ${node.frame_index}: ${clip(node.label || promptOf(node), 60)}`
      : "Select a checkpoint in the tree, or press G at a frame.");
    picture.hidden = !node;
    if (!node || filledFor === node.id) return;
    filledFor = node.id;
    picture.src = pictureOf(node);
    prompt.value = promptOf(node);
    seed.value = String(node.seed ?? state.sessions.get(node.session_id)?.seed ?? "");
  });
  return form;
}

/** @param {Node} node */
function promptOf(node) {
  return node.prompt || state.sessions.get(node.session_id)?.prompt || "";
}
