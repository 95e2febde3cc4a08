/** Colours by meaning. A, B, C keep theirs everywhere; other sessions get quieter ones. */

import { LETTERS, letterOf, state } from "../state/store.js";
import { h } from "./dom.js";

const OTHERS = 6;

/** The custom property with a pane's colour. @param {number} index */
export function paneToken(index) {
  return `--${LETTERS[index].toLowerCase()}`;
}

/** CSS colour of a pane. @param {number} index */
export function paneColour(index) {
  return `var(${paneToken(index)})`;
}

/** A pane's letter on its colour. @param {string} letter */
export function badge(letter, more = "") {
  return h("span", { class: `letter small letter-${letter.toLowerCase()} ${more}`.trim() }, letter);
}

/** The custom property with a session's colour in the tree: its pane's, else one of the quiet ones by age. @param {string|null} sessionId */
export function sessionToken(sessionId) {
  const letter = letterOf(sessionId);
  return letter ? `--${letter.toLowerCase()}` : `--s${order(sessionId ?? "") % OTHERS}`;
}

/** CSS colour of a session in the tree. @param {string|null} sessionId */
export function sessionColour(sessionId) {
  return `var(${sessionToken(sessionId)})`;
}

/** @type {Map<string, number>} */
let orderOf = new Map();

/** @param {string} sessionId */
function order(sessionId) {
  if (!orderOf.has(sessionId)) {
    orderOf = new Map([...state.sessions.keys()].sort().map((id, i) => [id, i]));
    if (!orderOf.has(sessionId)) orderOf.set(sessionId, orderOf.size);
  }
  return orderOf.get(sessionId) ?? 0;
}

/** @type {Map<string, string>} */
const tokens = new Map();
/** @type {string|undefined} */
let tokensOf = "";

/** The value of a custom property, for canvases; read once per theme (reading computes styles). @param {string} name */
export function token(name) {
  const { theme } = document.documentElement.dataset;
  if (theme !== tokensOf) tokens.clear();
  tokensOf = theme;
  const known = tokens.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  tokens.set(name, known);
  return known;
}
