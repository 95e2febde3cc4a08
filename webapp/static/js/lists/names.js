/** What a branch is called. */

import { settingsInWords } from "./settings.js";
import { leaves } from "../state/lineage.js";
import { state } from "../state/store.js";

/** @import { Node } from "../state/types.js" */

/**
 * Names of leaves: the label of the node, else of its session; where one session has several branches (it was rewound),
 * what differs is added to tell them apart.
 * @returns {(leaf: Node) => string}
 */
export function branchNames() {
  const branches = new Map();
  for (const leaf of leaves()) branches.set(leaf.session_id, (branches.get(leaf.session_id) ?? 0) + 1);
  return (leaf) => {
    const session = state.sessions.get(leaf.session_id);
    const label = session?.evaluation ? null : session?.label; // all variants of an evaluation have its label
    if (leaf.label || !label) return leaf.label || whatDiffers(leaf) || leaf.prompt || "initial frame";
    return branches.get(leaf.session_id) > 1 ? `${label} · ${whatDiffers(leaf) || leaf.prompt}` : label;
  };
}

/** What a branch does otherwise than the step before it parted, in words; "": nothing, or it never parted. @param {Node} leaf */
function whatDiffers(leaf) {
  let first = leaf;
  let before = state.nodes.get(first.parent ?? "");
  while (before && before.children.length === 1) {
    first = before;
    before = state.nodes.get(first.parent ?? "");
  }
  if (!before || before.parent === null) return "";
  const given = first.action_source === "given" && before.action_source !== "given";
  const [settings, were] = [first, before].map((node) => settingsInWords(node.model_settings));
  return [first.prompt !== before.prompt && first.prompt, first.seed !== before.seed && `seed ${first.seed ?? "free"}`, settings !== were && settings,
    given && "given actions"].filter(Boolean).join(" · ");
}
