/** Messages in the corner: what happened, why, and what can be done. Errors stay until they are closed. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const STAY_MS = 5000;
const MOST = 4;

/**
 * @param {string} words
 * @param {{kind?: "info"|"good"|"bad", more?: string, action?: {label: string, run: () => void}, key?: string}} [options]
 *   `key`: a newer message with the same key takes the older one's place
 */
export function toast(words, { kind = "info", more = "", action, key } = {}) {
  const box = document.getElementById("toasts");
  const el = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status", "data-key": key ?? words },
    h("div", { class: "toast-words" }, h("p", {}, words), more && h("p", { class: "dim" }, more)),
    action && h("button", { class: "button small", type: "button", onclick: () => { el.remove(); action.run(); } }, action.label),
    h("button", { class: "icon-button", type: "button", "aria-label": "Dismiss", onclick: () => el.remove() }, icon("close")));
  for (const old of [...box.children]) if (old.dataset.key === el.dataset.key) old.remove();
  box.append(el);
  while (box.children.length > MOST) (box.querySelector(".toast:not(.bad)") ?? box.firstElementChild).remove();
  if (kind !== "bad") leaveLater(el);
}

/** Go away after a while, but not while the pointer or the focus is on it. */
function leaveLater(el) {
  setTimeout(() => {
    if (el.matches(":hover, :focus-within")) leaveLater(el);
    else el.remove();
  }, STAY_MS);
}

/** Show a failed request: cause, then the way out. */
export function problem(error, action) {
  toast(error.message, { kind: "bad", more: error.whatToDo ?? "", action, key: error.code || undefined });
}
