/** What the branches did, as curves: points, ranges, ticks, and which of them are one and the same. Pure. */

/**
 * @import { Node } from "../state/types.js"
 * @typedef {{frame: number, values: number[]}} Point  an action and the video frame it belongs to
 */

/** The actions along a lineage; those of a step share its frames evenly. @param {Node[]} path @param {number} perStep @returns {Point[]} */
export function actionsAlong(path, perStep) {
  return path.flatMap((node) => (node.actions ?? []).map((values, i, rows) => (
    { frame: (node.frame_index - 1 + (i + 1) / rows.length) * perStep, values })));
}

/** The value of a dimension at a frame: that of the action that leads to it. @param {Point[]} line @param {number} dim @param {number} frame */
export function valueAt(line, dim, frame) {
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (line[middle].frame < frame) low = middle + 1;
    else high = middle;
  }
  return line[low]?.values[dim] ?? null;
}

/** Least and greatest value with a little room; all equal ones stand in the middle. @param {number[]} values @returns {[number, number]} */
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [-1, 1];
  if (high - low < 1e-9) return [low - Math.max(1, Math.abs(low)) / 2, high + Math.max(1, Math.abs(high)) / 2];
  const margin = (high - low) * 0.08;
  return [low - margin, high + margin];
}

/**
 * Lines that are the same from a frame on, in groups by their places: [[0, 2], [1]].
 * @param {Point[][]} lines @param {number} dim @param {number} from @returns {number[][]}
 */
export function sameLines(lines, dim, from) {
  /** @type {Map<string, number[]>} */
  const groups = new Map();
  lines.forEach((line, lane) => {
    const key = line.filter((point) => point.frame > from).map((point) => point.values[dim]).join();
    const group = groups.get(key) ?? [];
    group.push(lane);
    groups.set(key, group);
  });
  return [...groups.values()];
}
