/** What the controls act on: one checkpoint, and the session it is looked at in. The card and every form have the same. */

import { isOnLineage } from "./lineage.js";
import { LETTERS, activeSession, selectedNode, state } from "./store.js";

/**
 * @import { Node, Session } from "./types.js"
 * @typedef {Object} Subject
 * @property {Node} node
 * @property {Session|null} session
 * @property {boolean} atHead  the session goes on from here; else a step has to fork
 * @property {boolean} canRewind  the session's head can be moved back to here
 * @property {string} letter  of the pane that shows the session; "" where none does
 */

/** The chosen checkpoint, else what the active pane shows. @returns {Subject|null} */
export function subject() {
  const node = selectedNode() ?? state.nodes.get(state.panes[state.active]?.nodeId ?? "");
  if (!node) return null;
  const session = sessionOf(node);
  const atHead = session?.head === node.id;
  const canRewind = !atHead && session?.state === "open" && session.head !== null && isOnLineage(node, session.head);
  return { node, session, atHead, canRewind, letter: letterFor(session) };
}

/** The session a checkpoint is looked at in: one whose head it is, else one that passed through it; the active one first. @param {Node} node */
function sessionOf(node) {
  const active = activeSession();
  if (active?.head === node.id) return active;
  const heads = [...state.sessions.values()].filter((session) => session.head === node.id);
  const shown = heads.find((session) => state.panes.some((pane) => pane.sessionId === session.id));
  const head = shown ?? heads.find((session) => session.state === "open") ?? heads[0];
  if (head) return head;
  if (active?.head && isOnLineage(node, active.head)) return active;
  return state.sessions.get(node.session_id) ?? null;
}

/** @param {Session|null} session */
function letterFor(session) {
  const active = state.panes[state.active]?.sessionId === session?.id ? state.active : -1;
  const at = active >= 0 ? active : state.panes.findIndex((pane) => pane.sessionId === session?.id);
  return at < 0 ? "" : LETTERS[at];
}
