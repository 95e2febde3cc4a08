/** Colours by meaning. A, B, C keep theirs everywhere; other sessions get quieter ones. */

import { letterOf, state } from "./store.js";

const OTHERS = 6;

/** CSS colour of a pane by its index. */
export function paneColour(index) {
  return `var(--${"abc"[index]})`;
}

/** CSS colour of a session in the tree: its pane's, else one of the quiet ones by age. */
export function sessionColour(sessionId) {
  const letter = letterOf(sessionId);
  if (letter) return `var(--${letter.toLowerCase()})`;
  return `var(--s${order(sessionId) % OTHERS})`;
}

let orderOf = new Map();

function order(sessionId) {
  if (!orderOf.has(sessionId)) {
    orderOf = new Map([...state.sessions.keys()].sort().map((id, i) => [id, i]));
    if (!orderOf.has(sessionId)) orderOf.set(sessionId, orderOf.size);
  }
  return orderOf.get(sessionId);
}

/** The resolved value of a custom property, for canvases. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
