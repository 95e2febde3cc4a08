/** Fork the selected checkpoint: another prompt, seed or label, and how far to run at once. */

import { on, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { busy, choice, field, integer, promptField, seedField, stepsField } from "../ui/fields.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { fork } from "./actions.js";

export function buildForkForm() {
  const picture = h("img", { class: "fork-picture", alt: "", width: "56", height: "56" });
  const from = h("p", { class: "form-for" });
  const prompt = promptField();
  const seed = seedField();
  const steps = stepsField(8, 0);
  const label = h("input", { name: "label", maxlength: "200", placeholder: "optional" });
  let promptMode = "keep";
  const mode = choice("Cache of older frames", [["keep", "Keep"], ["rebuild", "Rebuild"]], promptMode, (value) => { promptMode = value; });
  const go = h("button", { class: "button primary grow", type: "submit" }, icon("fork"), "Fork");
  const form = h("form", { class: "form", id: "fork-form", novalidate: true },
    h("div", { class: "fork-from" }, picture, from),
    field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed), field("Steps", steps)), field("Label", label),
    h("div", { class: "field", title: "What a new prompt does to the attention cache of the present window" }, h("span", { class: "label" }, "Cache of older frames"), mode),
    h("div", { class: "form-buttons" }, go));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const node = state.nodes.get(state.selected);
    if (!node) return;
    const words = prompt.value.trim();
    busy(go, () => fork(node.session_id, {
      checkpointId: node.id, promptMode, steps: Math.max(0, integer(steps) ?? 0), label: label.value.trim(),
      prompt: words && words !== node.prompt ? words : undefined, seed: integer(seed) === node.seed ? undefined : integer(seed),
    }));
  });
  let filledFor = null;
  on("selection nodes sessions", () => {
    const node = state.nodes.get(state.selected);
    go.disabled = !node;
    text(from, node ? `From step ${node.frame_index}: ${clip(node.label || promptOf(node), 60)}` : "Select a checkpoint in the tree, or press G at a frame.");
    picture.hidden = !node;
    if (!node || filledFor === node.id) return;
    filledFor = node.id;
    picture.src = `/api/checkpoints/${node.id}/frames/${Math.max(0, (node.n_frames || 1) - 1)}`;
    prompt.value = promptOf(node);
    seed.value = node.seed ?? state.sessions.get(node.session_id)?.seed ?? "";
  });
  return form;
}

function promptOf(node) {
  return node.prompt || state.sessions.get(node.session_id)?.prompt || "";
}
