/** Which branches are shown, and in which groups. Pure. */

import { goodness } from "./sorting.js";

/**
 * @import { Node, Session } from "../state/types.js"
 * @import { Better } from "./sorting.js"
 * @typedef {"none"|"prompt"|"seed"|"session"|"fork"|"steps"|"actions"|"evaluation"|"tags"|"verdict"|"worker"} GroupKey
 * @typedef {{low: number|null, high: number|null, seeds: Set<number>|null}} Bounds  null: no bound
 * @typedef {{id: string, name: string, nodes: Node[], failed: number, mean: number|null}} Group
 */

/** @type {[GroupKey, string][]} */
export const GROUPS = [
  ["none", "nothing"], ["prompt", "Prompt"], ["seed", "Seed"], ["fork", "Forked at"], ["session", "Session"], ["steps", "Steps"],
  ["actions", "Actions"], ["verdict", "Failed or not"], ["tags", "Tags"], ["evaluation", "Evaluation"], ["worker", "Worker"],
];

/** What a branch has of a parameter, in words. @param {GroupKey} key @param {Node} node @param {Session|undefined} session */
function valueOf(key, node, session) {
  switch (key) {
    case "prompt": return node.prompt || "initial frame";
    case "seed": return node.seed === null ? "the model's own seed" : `seed ${node.seed}`;
    case "session": return session?.label || session?.prompt || "no session";
    case "fork": return session?.forked_at === null || session?.forked_at === undefined ? "planted here" : `forked at step ${session.forked_at}`;
    case "steps": return `${node.frame_index} steps`;
    case "actions": return node.action_source === "given" ? "given actions" : "the policy's actions";
    case "verdict": return node.failed ? "failed" : "not failed";
    case "tags": return node.tags.length ? [...node.tags].sort().join(", ") : "no tags";
    case "evaluation": return session?.evaluation ? `evaluation …${session.evaluation.slice(-5)}` : "no evaluation";
    case "worker": return node.worker ?? "unknown worker";
    default: return "";
  }
}

/**
 * The branches in groups, in the order of their first; a group knows how many failed and its mean score.
 * @param {Node[]} nodes @param {GroupKey} key @param {Map<string, Session>} sessions @returns {Group[]}
 */
export function grouped(nodes, key, sessions) {
  const found = Map.groupBy(nodes, (node) => valueOf(key, node, sessions.get(node.session_id)));
  return [...found].map(([name, own]) => {
    const scores = own.flatMap(({ score }) => (typeof score === "number" ? [score] : []));
    return { id: `group ${name}`, name, nodes: own, failed: own.filter((node) => node.failed).length,
      mean: scores.length ? scores.reduce((sum, score) => sum + score, 0) / scores.length : null };
  });
}

/** @param {Node} node @param {Bounds} bounds */
export function isWithin({ score, seed }, { low, high, seeds }) {
  if (seeds && (seed === null || !seeds.has(seed))) return false;
  if (low === null && high === null) return true;
  return typeof score === "number" && score >= (low ?? -Infinity) && score <= (high ?? Infinity);
}

/** Where each score stands between the worst and the best of these branches, 0 to 1. @param {Node[]} nodes @param {Better} unsaid */
export function placesOf(nodes, unsaid) {
  const goods = nodes.flatMap((node) => goodness(node, unsaid) ?? []);
  const worst = Math.min(...goods);
  const span = Math.max(...goods) - worst;
  return (/** @type {Node} */ node) => {
    const good = goodness(node, unsaid);
    return good === null ? null : span > 0 ? (good - worst) / span : 1;
  };
}
