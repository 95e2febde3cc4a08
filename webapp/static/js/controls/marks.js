/** What a person writes on a checkpoint: label, note, tags, score, bookmark, failed mark, pin. Each can be taken back. */

import * as api from "../net/api.js";
import { putNode } from "../state/events.js";
import { state } from "../state/store.js";
import { remember, undo } from "../state/undo.js";
import { problem, toast } from "../ui/toasts.js";

/**
 * @import { Node, Schemas } from "../state/types.js"
 * @typedef {Partial<Schemas["NodePatch"]>} Change
 */

/** Change a node, and say how to take it back. @param {string} id @param {Change} change */
export function patchNode(id, change) {
  return attempt(async () => {
    const node = state.nodes.get(id);
    const before = node && Object.fromEntries(Object.keys(change).map((name) => [name, /** @type {any} */ (node)[name]]));
    await send(id, change);
    if (before) tell(wordsFor(change, node), () => send(id, before));
  });
}

/** @param {string} id @param {Change} change */
async function send(id, change) {
  take(await api.patch(`/api/nodes/${id}`, change), Object.keys(change));
}

/** Of an answer only what was asked for: of all else an event may have told something newer. @param {Node} answer @param {string[]} names */
function take(answer, names) {
  const known = state.nodes.get(answer.id);
  const changed = Object.fromEntries(names.map((name) => [name, /** @type {any} */ (answer)[name]]));
  putNode(known ? { ...known, ...changed } : answer);
}

/** Keep a checkpoint's state in a worker's memory, or let it go. @param {string} id @param {boolean} pinned */
export function setPinned(id, pinned) {
  const set = (/** @type {boolean} */ wanted) => async () => take(await api.post(`/api/checkpoints/${id}/${wanted ? "pin" : "unpin"}`), ["pinned"]);
  return attempt(async () => {
    await set(pinned)();
    tell(pinned ? "Pinned: its state stays in a worker's memory." : "Unpinned: it stays stored.", set(!pinned));
  });
}

/** Take back the newest change (Ctrl+Z). */
export function undoNewest() {
  const taken = undo();
  toast(taken ? `Taken back: ${taken.words}` : "There is nothing to take back.", { key: "undo" });
}

/** @param {string} words @param {() => Promise<unknown>} back */
function tell(words, back) {
  const entry = remember({ words, run: () => attempt(back) });
  toast(words, { kind: "good", key: "mark", action: { label: "Undo", run: () => undo(entry) } });
}

/** @param {Change} change @param {Node} node  as it was before */
function wordsFor(change, node) {
  const step = `Step ${node.frame_index}`;
  if (change.failed !== undefined) return change.failed ? `${step} is marked as failed` : `${step} is no longer marked as failed`;
  if (change.bookmarked !== undefined) return change.bookmarked ? `${step} is bookmarked` : `${step} is no longer bookmarked`;
  if (change.label !== undefined) return change.label ? `${step} is called “${change.label}”` : `${step} has no label any more`;
  if (change.score !== undefined) return change.score === null ? `${step} has no score any more` : `${step} has the score ${change.score}`;
  if (change.tags !== undefined) return change.tags.length ? `${step} has the tags ${change.tags.join(", ")}` : `${step} has no tags any more`;
  return change.note ? `${step} has a note` : `${step} has no note any more`;
}

let last = Promise.resolve();

/** One change after the other: an answer to an older one must not come after a newer. @param {() => Promise<unknown>} work */
function attempt(work) {
  last = last.then(work).then(() => {}, problem);
  return last;
}
