/** What a branch is called. */

import { leaves } from "../state/lineage.js";
import { state } from "../state/store.js";

/** @import { Node } from "../state/types.js" */

/**
 * Names of leaves: the label of the node, else of its session; where one session has several branches (it was rewound),
 * the prompt is added to tell them apart.
 * @returns {(leaf: Node) => string}
 */
export function branchNames() {
  const branches = new Map();
  for (const leaf of leaves()) branches.set(leaf.session_id, (branches.get(leaf.session_id) ?? 0) + 1);
  return (leaf) => {
    const label = state.sessions.get(leaf.session_id)?.label;
    if (leaf.label || !label) return leaf.label || leaf.prompt || "initial frame";
    return branches.get(leaf.session_id) > 1 ? `${label} · ${leaf.prompt}` : label;
  };
}
