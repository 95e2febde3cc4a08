/** Where the words of the tree stand, so that none is printed over another. Pure. */

import { ROW } from "./layout.js";

/** @import { Item } from "./layout.js" */
/** @typedef {{dx: number, dy: number, room: number}} Place  from the item's dot, and letters there is room for */

export const LETTER_WIDTH = 6.7;
const BEFORE = 4; // a label begins a little before its dot
const ABOVE = -17;
const BESIDE = 15; // where a leaf's step number stands; its name follows it when the stretch above is taken
const DIGIT = 7;
const GAP = 6;
const PLENTY = 200;
const TAIL = 64;
const EASY_FIT = 0.8; // below that words are hard to read

/** From a leaf's dot to its picture, beyond its step number. @param {number} step */
export function pictureAt(step) {
  return BESIDE + String(step).length * DIGIT + GAP;
}

/**
 * Places for the labels of all items that have words. In a row they stand above the line, each at most up to the next; a
 * branch's name stands at the beginning of its own stretch, or after its leaf where checkpoints within that stretch have labels.
 * @param {Item[]} items @param {Set<string>} worded  ids of the items with words @param {(item: Item) => number} stepOf
 * @param {number} [picture]  width of the pictures at the leaves
 */
export function placeLabels(items, worded, stepOf, picture = 0) {
  /** @type {Map<number, Item[]>} */
  const rows = new Map();
  for (const item of items) {
    if (!worded.has(item.id) || item.run) continue;
    const row = rows.get(item.row);
    if (row) row.push(item);
    else rows.set(item.row, [item]);
  }
  /** @type {Map<string, Place>} */
  const places = new Map();
  for (const row of rows.values()) placeRow(row, places, (leaf) => pictureAt(stepOf(leaf)) + (picture && picture + GAP));
  return places;
}

/** @param {Item[]} row  from left to right @param {Map<string, Place>} places @param {(leaf: Item) => number} endOf */
function placeRow(row, places, endOf) {
  const leaf = row.find((item) => item.leaf);
  const inner = row.filter((item) => !item.leaf);
  const beside = leaf && inner.some((item) => item.x >= leaf.own);
  const starts = inner.map((item) => item.x - BEFORE);
  if (leaf && !beside) starts.push(leaf.own - BEFORE);
  inner.forEach((item, i) => {
    const room = i + 1 < starts.length ? Math.floor((starts[i + 1] - starts[i]) / LETTER_WIDTH) - 1 : PLENTY;
    places.set(item.id, { dx: -BEFORE, dy: ABOVE, room });
  });
  if (!leaf) return;
  places.set(leaf.id, beside ? { dx: endOf(leaf) + 2, dy: 4, room: PLENTY }
    : { dx: leaf.own - leaf.x - BEFORE, dy: ABOVE, room: PLENTY });
}

/**
 * Where the tree is moved to so that nothing is out of view that could be in it: what fits is seen whole, and beside what
 * does not fit there is no empty room.
 * @param {number} at  where the tree's start is @param {number} length  of the tree @param {number} size  of the view
 * @param {number} before  margin @param {number} after  margin
 */
export function settled(at, length, size, before, after) {
  const least = size - after - length;
  return least >= before ? before : Math.min(before, Math.max(least, at));
}

/** Room that is kept after the last column for a name and a picture. @param {number} size  of the view */
export function tailOf(size) {
  return Math.min(TAIL, size / 3);
}

/**
 * The scale at which a tree is seen whole that is a little too long for its view; 1 where it fits, or would be too small to read.
 * @param {number} length  of the tree @param {number} size  of the view @param {number} before  margin
 */
export function easyFit(length, size, before) {
  const k = (size - before - tailOf(size)) / length;
  return k >= EASY_FIT ? Math.min(1, k) : 1;
}

/** How far to move what is at `at` so that it is between two bounds. @param {number} at @param {number} least @param {number} most */
export function into(at, least, most) {
  return Math.max(least - at, 0) || Math.min(most - at, 0);
}

/** Height of so many rows. @param {number} rows */
export function heightOf(rows) {
  return (rows - 1) * ROW;
}

/** One name for several sessions at one checkpoint. @param {string[]} names */
export function together(names) {
  return names.length > 1 ? `${names[0]} +${names.length - 1}` : names[0] ?? "";
}
