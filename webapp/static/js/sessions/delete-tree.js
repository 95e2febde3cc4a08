/** Deleting a tree for good: asks first, naming what goes. */

import * as api from "../net/api.js";
import { forgetTree } from "../state/events.js";
import { confirm } from "../ui/confirm.js";
import { h } from "../ui/dom.js";
import { clip, count } from "../ui/format.js";
import { problem, toast } from "../ui/toasts.js";

/** @import { Session } from "../state/types.js" */

/** A button beside a closed session. @param {Session} session */
export function deleteTreeButton({ tree_id: id }) {
  const title = "Delete its whole tree for good";
  return id && h("button", { class: "button small quiet danger", title, onclick: () => deleteTree(id) }, "Delete tree");
}

/** @param {string} id */
async function deleteTree(id) {
  try {
    const tree = await api.get(`/api/trees/${id}`);
    const names = tree.labels.length ? ` (${tree.labels.map((/** @type {string} */ label) => clip(label, 30)).join(", ")})` : "";
    const detail = `“${clip(tree.prompt, 80)}”: ${count(tree.nodes, "checkpoint")}, ${count(tree.sessions, "session")}${names}, with their `
      + "labels, notes, scores and jobs. There is no way back.";
    if (!await confirm("Delete this tree for good?", detail, `Delete ${count(tree.nodes, "checkpoint")}`)) return;
    await api.remove(`/api/trees/${id}`);
    forgetTree(id);
    toast("The tree is deleted.");
  } catch (error) {
    problem(error);
  }
}
