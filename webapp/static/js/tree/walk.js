/** Walking the tree by keyboard, and finding nodes by words. */

import { state } from "../state/store.js";

/**
 * The item one goes to from `item` with an arrow key.
 * @param {{items: import("./layout.js").Item[]}} layout
 * @param {import("./layout.js").Item} item
 * @param {string} key
 */
export function neighbour(layout, item, key) {
  if (key === "ArrowLeft") return item.from;
  if (key === "Home") return layout.items[0];
  const right = layout.items.filter((other) => other.from === item);
  if (key === "ArrowRight") return right.find((other) => other.row === item.row) ?? right[0] ?? null;
  if (key === "End") return endOfRow(layout, item);
  const direction = key === "ArrowDown" ? 1 : -1;
  return nearestInRow(layout, item, direction);
}

function endOfRow(layout, item) {
  return layout.items.filter((other) => other.row === item.row).reduce((a, b) => (b.x > a.x ? b : a), item);
}

/** The nearest item in the next row above or below. */
function nearestInRow(layout, item, direction) {
  const rows = layout.items.filter((other) => (other.row - item.row) * direction > 0);
  if (!rows.length) return null;
  const row = rows.reduce((best, other) => Math.min(best, Math.abs(other.row - item.row)), Infinity);
  return rows.filter((other) => Math.abs(other.row - item.row) === row)
    .reduce((a, b) => (Math.abs(b.x - item.x) < Math.abs(a.x - item.x) ? b : a));
}

/**
 * Ids of the nodes that match all words: prompt, label, id, session name, seed, or a state such as "failed".
 * @param {string} query
 * @returns {Set<string>}
 */
export function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Set();
  if (!words.length) return found;
  for (const node of state.nodes.values()) {
    const hay = haystack(node);
    if (words.every((word) => hay.includes(word))) found.add(node.id);
  }
  return found;
}

function haystack(node) {
  const session = state.sessions.get(node.session_id);
  return [node.prompt, node.label, node.id, session?.label, node.session_id, `step ${node.frame_index}`, `seed ${node.seed}`,
    node.failed ? "failed" : "", node.bookmarked ? "bookmarked" : "", node.pinned ? "pinned" : "", node.durability, node.action_source].join(" ").toLowerCase();
}
