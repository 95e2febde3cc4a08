/** The way forward again after a rewind: what the session made beyond its head. */

import { state } from "../state/store.js";

/** @import { Node, Session } from "../state/types.js" */

/**
 * The last checkpoint that the session made on from its head, along the newest of its own; null: it stands at its end.
 * @param {Session|null} session @returns {Node|null}
 */
export function wayForward(session) {
  const head = state.nodes.get(session?.head ?? "");
  if (!head || session?.state !== "open") return null;
  let at = head;
  for (let next = newestOwn(at, session.id); next; next = newestOwn(at, session.id)) at = next;
  return at === head ? null : at;
}

/** @param {Node} node @param {string} sessionId @returns {Node|undefined} */
function newestOwn({ children }, sessionId) {
  return children.map((id) => state.nodes.get(id)).filter((node) => node?.session_id === sessionId)
    .reduce((best, node) => (!best || (node && node.created > best.created) ? node : best), undefined);
}
