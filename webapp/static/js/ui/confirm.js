/** A question before something that cannot be taken back. */

import { h } from "./dom.js";

/**
 * Ask before something that cannot be taken back. Resolves to true when confirmed.
 * @param {string} question @param {string} detail @param {string} yes  label of the confirming button
 * @returns {Promise<boolean>}
 */
export function confirm(question, detail, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" },
      h("h2", { id: "confirm-title" }, question), h("p", {}, detail),
      h("div", { class: "dialog-buttons" },
        h("button", { class: "button quiet", onclick: () => dialog.close("no") }, "Keep"),
        h("button", { class: "button danger", onclick: () => dialog.close("yes") }, yes)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
