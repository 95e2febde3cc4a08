/** What a person writes on a checkpoint: a note, tags, a score. Sent when a field is left; each can be taken back. */

import { recall } from "../ui/memory.js";
import { scoreOf } from "../ui/checks.js";
import { h } from "../ui/dom.js";
import { complain, field } from "../ui/fields.js";
import { patchNode } from "./marks.js";

/** @import { Node } from "../state/types.js" */

let open = false;

/** @param {Node} node */
export function notesOf(node) {
  const note = h("textarea", { rows: "2", maxlength: "4000", value: node.note ?? "", placeholder: "What is there to see?" });
  const tags = h("input", { value: node.tags.join(", "), placeholder: "slip, left hand" });
  const score = h("input", { inputmode: "decimal", value: node.score ?? "", placeholder: "none" });
  const better = h("select", { value: node.score_better ?? unsaid() }, h("option", { value: "higher" }, "higher is better"),
    h("option", { value: "lower" }, "lower is better"));
  better.value = node.score_better ?? unsaid();
  note.addEventListener("change", () => patchNode(node.id, { note: note.value.trim() || null }));
  tags.addEventListener("change", () => patchNode(node.id, { tags: words(tags.value) }));
  const send = () => {
    const { value, problem } = scoreOf(score.value);
    complain(score, problem);
    if (problem || value === undefined) return;
    patchNode(node.id, { score: value, score_better: value === null ? null : /** @type {"higher"|"lower"} */ (better.value) });
  };
  score.addEventListener("change", send);
  better.addEventListener("change", () => score.value.trim() && send());
  const said = [node.note && "note", node.tags.length && node.tags.join(", ")].filter(Boolean).join(" · ");
  return h("details", { class: "node-notes", open, ontoggle: (/** @type {Event} */ event) => {
    open = /** @type {HTMLDetailsElement} */ (event.currentTarget).open;
  } },
  h("summary", {}, "Note, tags, score", said && h("span", { class: "dim" }, ` · ${said}`)),
  field("Note", note), field("Tags, by commas", tags), h("div", { class: "field-row" }, field("Score", score), field("Which way is good", better)));
}

/** "a, b a,, " -> ["a", "b a"]. @param {string} text */
function words(text) {
  return [...new Set(text.split(",").map((word) => word.trim().slice(0, 40)).filter(Boolean))].slice(0, 32);
}

function unsaid() {
  return recall("better") === "lower" ? "lower" : "higher";
}
