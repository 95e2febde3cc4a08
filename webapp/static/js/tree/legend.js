/** What the marks in the tree mean, drawn with the tree's own marks. */

import { h, svg } from "../ui/dom.js";
import { itemView, updateItem } from "./items.js";

/** @import { Node } from "../state/types.js" */
/** @import { Look } from "./items.js" */

/** @type {Node} */
const PLAIN = /** @type {any} */ ({ id: "legend", session_id: null, frame_index: 0, parent: "", children: [], durability: "durable",
  failed: false, bookmarked: false, pinned: false,
  label: null, prompt: "" });
/** @type {Look} */
const LOOK = { selected: false, heads: [], running: false, found: false, faded: false, letters: "", words: "", dx: 0, dy: 0, thumb: "" };
/** @type {[string, Partial<Node>, Partial<Look>][]} */
const MARKS = [
  ["stored", {}, {}], ["not stored yet", { durability: "pending" }, {}], ["failed", { failed: true }, {}], ["bookmarked", { bookmarked: true }, {}],
  ["pinned in a worker's memory", { pinned: true }, {}], ["damaged or deleted", { durability: "damaged" }, {}], ["selected", {}, { selected: true }],
  ["being stepped", {}, { running: true }],
];

export function legend() {
  const rows = MARKS.map(([words, node, look]) => [h("dt", {}, mark({ ...PLAIN, ...node }, { ...LOOK, ...look })), h("dd", {}, words)]);
  return h("dl", { class: "legend", "aria-label": "Marks in the tree" }, ...rows);
}

/** @param {Node} node @param {Look} look */
function mark(node, look) {
  const item = { id: node.id, x: 0, row: 0, own: 0, from: null, run: null, leaf: false };
  const dot = itemView(item);
  updateItem(dot, item, node, look);
  for (const words of dot.querySelectorAll("text")) words.remove();
  for (const name of ["id", "data-item", "role", "aria-label", "aria-selected", "aria-level", "aria-description"]) dot.removeAttribute(name);
  return svg("svg", { viewBox: "-18 -15 36 30", "aria-hidden": "true", focusable: "false" }, dot);
}
