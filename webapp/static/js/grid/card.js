/** One branch of the grid: its last frame, name, seed, score and marks. */

import { pictureOf } from "../net/api.js";
import { lettersAt, state } from "../state/store.js";
import { badge, sessionColour } from "../ui/colours.js";
import { fill, h } from "../ui/dom.js";
import { clip, short } from "../ui/format.js";

/** @import { Node } from "../state/types.js" */

/** @param {Node} node */
export function isRunning(node) {
  return Boolean(state.sessions.get(node.session_id)?.running_job);
}

/**
 * Bring a slot up to date. `place`: of its score between worst and best.
 * @param {HTMLElement} slot @param {Node} node @param {{name: string, place: number|null, chosen: boolean}} look
 */
export function showCard(slot, node, { name, place, chosen }) {
  const letters = lettersAt(node.id);
  const { failed, bookmarked, pinned, durability, score } = node;
  const key = [failed, bookmarked, pinned, durability, score, place, name, letters, chosen, isRunning(node), sessionColour(node.session_id)];
  fill(slot, key.join("|"), () => build(node, name, letters, place, chosen));
  slot.classList.toggle("failed", failed);
  slot.classList.toggle("chosen", chosen);
}

/** @param {Node} node @param {string} name @param {string} letters  of the panes that end there @param {number|null} place @param {boolean} chosen */
function build(node, name, letters, place, chosen) {
  const title = `${node.prompt}\nClick opens it in the active pane, Shift+click beside the others`;
  const el = h("button", { class: "card", "data-node": node.id, title },
    h("span", { class: "card-picture" }, h("img", { src: pictureOf(node), alt: "", loading: "lazy", width: "112", height: "112" })),
    letters && badge(letters[0], "corner"),
    h("span", { class: "card-name" }, clip(name, 44)),
    h("span", { class: "card-facts" }, `step ${node.frame_index}`, node.seed !== null && ` · seed ${node.seed}`),
    place !== null && h("span", { class: "card-score" }, h("span", { style: { width: `${Math.round(4 + 96 * place)}%` } })),
    h("span", { class: "card-chips" }, ...chips(node)));
  el.style.setProperty("--own", sessionColour(node.session_id));
  return [el, h("input", { type: "checkbox", class: "card-choice", checked: chosen, "data-choice": node.id, tabindex: "-1",
    "aria-label": `Select ${clip(name, 60)}`, title: "Select to compare (Ctrl+click, X)" })];
}

/** @param {Node} node */
function chips(node) {
  const words = [
    ["calm", typeof node.score === "number" && short(node.score)], ["live", isRunning(node) && "stepping"], ["bad", node.failed && "failed"],
    ["calm", node.bookmarked && "bookmarked"], ["calm", node.pinned && "pinned"], ["wait", node.durability === "pending" && "storing"],
    ["bad", node.durability === "damaged" && "damaged"]];
  return words.map(([kind, label]) => label && h("span", { class: `chip ${kind}` }, label));
}
