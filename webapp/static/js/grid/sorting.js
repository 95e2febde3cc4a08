/** The order of branches. Scores say which way they are good; where nobody said, the reader does. */

/** @import { Node } from "../state/types.js" */
/** @typedef {"newest"|"score"|"steps"|"name"|"seed"} SortKey */
/** @typedef {"higher"|"lower"} Better */

/** @type {[SortKey, string, [string, string]][]} each order, its name, and its two directions in words */
export const SORTS = [
  ["newest", "Time", ["newest first", "oldest first"]], ["score", "Score", ["best first", "worst first"]],
  ["steps", "Steps", ["longest first", "shortest first"]], ["name", "Name", ["A to Z", "Z to A"]],
  ["seed", "Seed", ["smallest first", "largest first"]],
];

/** How good a score is: more is better. null: there is none. @param {Node} node @param {Better} unsaid  where the score does not say */
export function goodness({ score, score_better: better }, unsaid) {
  if (typeof score !== "number") return null;
  return (better ?? unsaid) === "lower" ? -score : score;
}

/**
 * Sorted branches. What has no value comes last, whichever the direction.
 * @param {Node[]} nodes @param {{key: SortKey, reversed: boolean, unsaid: Better, nameOf: (node: Node) => string}} how
 */
export function sorted(nodes, { key, reversed, unsaid, nameOf }) {
  /** @type {Record<SortKey, (node: Node) => number|string|null>} smaller comes first */
  const values = {
    newest: (node) => -node.created, steps: (node) => -node.frame_index, name: (node) => nameOf(node).toLowerCase(), seed: (node) => node.seed,
    score: (node) => { const good = goodness(node, unsaid); return good === null ? null : -good; },
  };
  const valued = nodes.map((node) => ({ node, value: values[key](node) }));
  const sign = reversed ? -1 : 1;
  return valued.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return sign * (a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
  }).map(({ node }) => node);
}

/** Whether some score does not say which way it is good. @param {Node[]} nodes */
export function someUnsaid(nodes) {
  return nodes.some((node) => typeof node.score === "number" && !node.score_better);
}
