/** The help: the words one meets on the page, the marks in the tree, and the keys. */

import { legend } from "../tree/legend.js";
import { h } from "../ui/dom.js";
import { KEYS } from "./keymap.js";

export function help() {
  if (document.querySelector("dialog.help")) return;
  const rows = KEYS.map(([keys, words]) => [h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, words)]);
  const dialog = h("dialog", { class: "dialog help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "How to work with this page"),
    h("p", {}, "A session is one world. Each step makes a few video frames and a checkpoint. Fork any checkpoint with another prompt, seed or "
      + "action; rewind a session when it goes wrong. Nothing is lost: every checkpoint stays in the tree."),
    h("h3", {}, "Marks in the tree"), legend(),
    h("h3", {}, "Keys"), h("dl", { class: "keys" }, ...rows),
    h("div", { class: "dialog-buttons" }, h("button", { class: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
