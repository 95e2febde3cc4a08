/** Finding nodes by words. */

import { state } from "../state/store.js";

/** @import { Node } from "../state/types.js" */

/**
 * Ids of the nodes that match all words: prompt, label, note, tags, id, session name, seed, or a state such as "failed".
 * @param {string} query
 */
export function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  /** @type {Set<string>} */
  const found = new Set();
  if (!words.length) return found;
  for (const node of state.nodes.values()) {
    const hay = haystack(node);
    if (words.every((word) => hay.includes(word))) found.add(node.id);
  }
  return found;
}

/** @param {Node} node */
function haystack(node) {
  const session = state.sessions.get(node.session_id);
  return [node.prompt, node.label, node.id, session?.label, node.session_id, `step ${node.frame_index}`, `seed ${node.seed}`,
    node.failed && "failed", node.bookmarked && "bookmarked", node.pinned && "pinned", node.durability,
    node.action_source, node.note && `note ${node.note}`, ...node.tags].filter(Boolean).join(" ").toLowerCase();
}
