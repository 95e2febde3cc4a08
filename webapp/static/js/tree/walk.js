/** Walking the tree by keyboard. */

/** @import { Item, Layout } from "./layout.js" */

/**
 * The item one goes to from `item` with an arrow key.
 * @param {Layout} layout @param {Item} item @param {string} key
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

/** @param {Layout} layout @param {Item} item */
function endOfRow(layout, item) {
  return layout.items.filter((other) => other.row === item.row).reduce((a, b) => (b.x > a.x ? b : a), item);
}

/** The nearest item in the next row above (-1) or below (+1). @param {Layout} layout @param {Item} item @param {number} direction */
function nearestInRow(layout, item, direction) {
  const rows = layout.items.filter((other) => (other.row - item.row) * direction > 0);
  if (!rows.length) return null;
  const row = rows.reduce((best, other) => Math.min(best, Math.abs(other.row - item.row)), Infinity);
  return rows.filter((other) => Math.abs(other.row - item.row) === row)
    .reduce((a, b) => (Math.abs(b.x - item.x) < Math.abs(a.x - item.x) ? b : a));
}
