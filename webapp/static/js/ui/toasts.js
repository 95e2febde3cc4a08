/** Messages in the corner: what happened, why, and what can be done. Errors stay until they are closed. */

import { h } from "./dom.js";
import { iconButton } from "./fields.js";

/** @typedef {{label: string, run: () => unknown}} Action  a button on the message */

const STAY_MS = 5000;
const MOST = 4;

/**
 * `key`: a newer message with the same key takes the older one's place.
 * @param {string} words @param {{kind?: "info"|"good"|"bad", more?: string, action?: Action, key?: string}} [options]
 */
export function toast(words, { kind = "info", more = "", action, key } = {}) {
  const box = /** @type {HTMLElement} */ (document.getElementById("toasts"));
  /** @type {HTMLElement} */
  const el = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status", "data-key": key ?? words },
    h("div", { class: "toast-words" }, h("p", {}, words), more && h("p", { class: "dim" }, more)),
    action && h("button", { class: "button small", onclick: () => { el.remove(); action.run(); } }, action.label),
    iconButton("close", "Dismiss", () => el.remove()));
  for (const old of /** @type {HTMLElement[]} */ ([...box.children])) if (old.dataset.key === el.dataset.key) old.remove();
  box.append(el);
  while (box.children.length > MOST) (box.querySelector(".toast:not(.bad)") ?? box.children[0]).remove();
  if (kind !== "bad") leaveLater(el);
}

/** Go away after a while, but not while the pointer or the focus is on it. @param {HTMLElement} el */
function leaveLater(el) {
  setTimeout(() => {
    if (el.matches(":hover, :focus-within")) leaveLater(el);
    else el.remove();
  }, STAY_MS);
}

/** Show a failed request: cause, then the way out. @param {any} error @param {Action} [action] */
export function problem(error, action) {
  toast(error.message, { kind: "bad", more: error.whatToDo ?? "", action, key: error.code || undefined });
}
