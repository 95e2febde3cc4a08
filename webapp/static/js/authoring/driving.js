/** Which key drives which dimension of an action, and the action of a press. Pure. */

/** @import { Schemas } from "../state/types.js" */
/** @typedef {Schemas["GeometryView"]} Geometry */

/** Pairs of keys, down and up, by dimension. */
const PAIRS = [["ArrowLeft", "ArrowRight"], ["ArrowUp", "ArrowDown"], ["PageDown", "PageUp"], ["-", "+"], ["(", ")"], ["{", "}"]];
const SIGNS = new Map([["ArrowLeft", "←"], ["ArrowRight", "→"], ["ArrowUp", "↑"], ["ArrowDown", "↓"], ["PageDown", "PgDn"], ["PageUp", "PgUp"]]);

/** Whether a number of an action is a whole one: a key, a button. @param {Geometry} geometry @param {number} dim */
export const isWhole = (geometry, dim) => geometry.controls?.[dim]?.kind === "discrete";

/** The last dimension is held, and turned over with the space bar, where it is a gripper. @param {Geometry} geometry */
function heldDimension({ action_names: names, action_dim: count }) {
  return /grip/i.test(names[count - 1] ?? "") ? count - 1 : -1;
}

/** @param {Geometry|undefined} geometry @returns {{keys: string[], name: string}[]} */
export function keysFor(geometry) {
  if (!geometry) return [];
  const held = heldDimension(geometry);
  return Array.from({ length: geometry.action_dim }, (_, dim) => dim).filter((dim) => dim === held || dim < PAIRS.length).map((dim) => ({
    keys: dim === held ? ["Space"] : PAIRS[dim].map((key) => SIGNS.get(key) ?? key), name: geometry.action_names[dim] ?? `a${dim}` }));
}

/**
 * The actions of a step for a key, [action_horizon][action_dim]: the key's dimension at half its limit (a discrete one at its limit),
 * the others at rest, the held one at `held`. null: the key drives nothing.
 * @param {string} key @param {Geometry|undefined} geometry @param {number} held  1 or -1
 */
export function actionFor(key, geometry, held) {
  if (!geometry) return null;
  const { action_dim: count, action_horizon: horizon, action_low: low, action_high: high } = geometry;
  const grip = heldDimension(geometry);
  const values = Array.from({ length: count }, (_, dim) => Math.min(Math.max(0, low[dim] ?? 0), high[dim] ?? 0));
  const now = key === " " && grip >= 0 ? -held : held;
  if (grip >= 0) values[grip] = now > 0 ? high[grip] ?? 1 : low[grip] ?? -1;
  const dim = PAIRS.findIndex((pair) => pair.includes(key));
  const share = isWhole(geometry, dim) ? 1 : 2;
  if (dim >= 0 && dim < count && dim !== grip) values[dim] = (PAIRS[dim][0] === key ? low[dim] ?? -1 : high[dim] ?? 1) / share;
  else if (key !== "Enter" && !(key === " " && grip >= 0)) return null;
  return { held: now, actions: Array.from({ length: horizon }, () => [...values]) };
}
