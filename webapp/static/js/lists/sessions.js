/** Sessions in lists: found by words, kinds apart. */

/**
 * @import { Session } from "../state/types.js"
 * @typedef {"all"|"open"|"closed"|"trees"|"bulk"} Kind
 */

/**
 * The sessions of a kind whose label, prompt, id or seed has all the words; open ones first, the newest first among them.
 * @param {Iterable<Session>} sessions @param {Kind} kind @param {string} query
 */
export function sessionsOf(sessions, kind, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = (kind === "trees" ? planters(sessions) : [...sessions].filter((one) => isOfKind(one, kind)))
    .filter((session) => words.every((word) => haystack(session).includes(word)));
  const rank = (/** @type {Session} */ session) => (session.state === "open" ? 0 : 1);
  return found.sort((a, b) => (kind === "trees" ? 0 : rank(a) - rank(b)) || b.created - a.created);
}

/** @param {Session} session @param {Kind} kind */
function isOfKind({ bulk, state }, kind) {
  if (kind === "bulk" || bulk) return bulk && kind === "bulk";
  return kind === "all" || state === kind;
}

/** The oldest session of each tree, which stands for it. @param {Iterable<Session>} sessions */
export function planters(sessions) {
  /** @type {Map<string, Session>} */
  const trees = new Map();
  for (const session of sessions) {
    const kept = trees.get(session.tree_id ?? "");
    if (session.tree_id && (!kept || session.created < kept.created)) trees.set(session.tree_id, session);
  }
  return [...trees.values()];
}

/** @param {Session} session */
function haystack({ label, prompt, id, seed }) {
  return `${label ?? ""} ${prompt} ${id} seed ${seed ?? ""}`.toLowerCase();
}
