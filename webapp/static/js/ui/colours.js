/** Colours by meaning. A, B, C keep theirs everywhere; other sessions get quieter ones. */

import { letterOf, state } from "../state/store.js";

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

const tokens = new Map();
let tokensOf = "";

/** The resolved value of a custom property, for canvases; read once per theme (reading computes styles). */
export function token(name) {
  const { theme } = document.documentElement.dataset;
  if (theme !== tokensOf) {
    tokens.clear();
    tokensOf = theme;
  }
  if (!tokens.has(name)) tokens.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return tokens.get(name);
}
