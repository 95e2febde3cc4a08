/** What a person writes on a checkpoint: a note, tags, a score. Sent when a field is left; each can be taken back. */

import { recall } from "../ui/memory.js";
import { scoreOf } from "../ui/checks.js";
import { h, text } from "../ui/dom.js";
import { complain, field, live } from "../ui/fields.js";
import { patchNode } from "./marks.js";

/** @import { Node } from "../state/types.js" */

/** The fields, and how to show a checkpoint in them. @returns {{el: HTMLElement, show: (node: Node) => void}} */
export function buildNotes() {
  const note = h("textarea", { rows: "2", maxlength: "4000", placeholder: "What is there to see?" });
  const tags = h("input", { placeholder: "slip, left hand" });
  const score = h("input", { inputmode: "decimal", placeholder: "none" });
  const better = h("select", {}, h("option", { value: "higher" }, "higher is better"), h("option", { value: "lower" }, "lower is better"));
  const said = h("span", { class: "dim" });
  const shows = { note: live(note), tags: live(tags, (written) => words(written).join(", ")), score: live(score), better: live(better) };
  let id = "";
  note.addEventListener("change", () => patchNode(id, { note: note.value.trim() || null }));
  tags.addEventListener("change", () => patchNode(id, { tags: words(tags.value) }));
  const send = () => {
    const { value, problem } = scoreOf(score.value);
    complain(score, problem);
    if (problem || value === undefined) return;
    patchNode(id, { score: value, score_better: value === null ? null : /** @type {"higher"|"lower"} */ (better.value) });
  };
  score.addEventListener("change", send);
  better.addEventListener("change", () => score.value.trim() && send());
  const el = h("details", { class: "node-notes" }, h("summary", {}, "Note, tags, score", said),
    field("Note", note), field("Tags, by commas", tags), h("div", { class: "field-row" }, field("Score", score), field("Which way is good", better)));
  const show = (/** @type {Node} */ node) => {
    if (node.id !== id) complain(score, "");
    id = node.id;
    shows.note(id, node.note ?? "");
    shows.tags(id, node.tags.join(", "));
    shows.score(id, String(node.score ?? ""));
    shows.better(id, node.score_better ?? unsaid());
    text(said, [node.note && " · note", node.tags.length && ` · ${node.tags.join(", ")}`].filter(Boolean).join(""));
  };
  return { el, show };
}

/** "a, b a,, " -> ["a", "b a"]. @param {string} written */
function words(written) {
  return [...new Set(written.split(",").map((word) => word.trim().slice(0, 40)).filter(Boolean))].slice(0, 32);
}

function unsaid() {
  return recall("better") === "lower" ? "lower" : "higher";
}
