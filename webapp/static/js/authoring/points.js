/** Actions as points of curves. Pure. */

/** @import { Schemas } from "../state/types.js" */

/** An action at rest: zero where zero is allowed. @param {Schemas["GeometryView"]} geometry */
export function rested({ action_dim: count, action_low: low, action_high: high }) {
  return Array.from({ length: count }, (_, dim) => Math.min(Math.max(0, low[dim] ?? 0), high[dim] ?? 0));
}

/**
 * So many actions: what is missing is at rest, what is too much is left out.
 * @param {number[][]} points @param {number} length @param {number[]} rest
 */
export function resized(points, length, rest) {
  return Array.from({ length }, (_, i) => [...points[i] ?? rest]);
}

/**
 * The points of a stroke from one place to another, both ends among them.
 * @param {[number, number]} from  index and value @param {[number, number]} to @returns {[number, number][]}
 */
export function between([from, a], [to, b]) {
  const direction = Math.sign(to - from);
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => [from + i * direction, to === from ? b : a + ((b - a) * i) / Math.abs(to - from)]);
}
