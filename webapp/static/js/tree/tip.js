/** The card that appears at a node under the pointer: its last frame and what matters about it. */

import { pictureOf } from "../net/api.js";
import { state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { bytes, clip, count, seconds, sessionName, shortId } from "../ui/format.js";

/** @import { Node } from "../state/types.js" */
/** @import { Item } from "./layout.js" */

const tip = h("div", { class: "tip", role: "tooltip", hidden: true });
/** @type {Item|null} */
let shownFor = null;

/** @param {Item} item @param {DOMRect} box  where it is on screen */
export function showTip(item, box) {
  if (shownFor === item) return;
  shownFor = item;
  if (!tip.isConnected) document.body.append(tip);
  tip.replaceChildren(...(item.run ? runCard(item.run) : nodeCard(/** @type {Node} */ (state.nodes.get(item.id)))));
  tip.hidden = false;
  const left = Math.min(box.right + 10, innerWidth - tip.offsetWidth - 8);
  const top = Math.min(Math.max(8, box.top - 20), innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}

export function hideTip() {
  shownFor = null;
  tip.hidden = true;
}

/** @param {string[]} run */
function runCard(run) {
  const [first, last] = [run[0], run[run.length - 1]].map((id) => state.nodes.get(id)?.frame_index);
  return [h("p", { class: "tip-title" }, `${count(run.length, "step")} folded`),
    h("p", { class: "tip-line" }, `steps ${first} to ${last}; click to unfold`)];
}

/** @param {Node} node */
function nodeCard(node) {
  const facts = [`step ${node.frame_index}`, node.seed !== null && `seed ${node.seed}`, node.action_source && `actions ${node.action_source}`,
    node.wall_s && seconds(node.wall_s)].filter(Boolean).join(" · ");
  return [
    h("img", { class: "tip-picture", src: pictureOf(node), alt: "", width: 96 }),
    h("div", { class: "tip-text" },
      h("p", { class: "tip-title" }, clip(node.label || node.prompt || "initial frame", 60)),
      h("p", { class: "tip-line" }, facts),
      marks(node),
      node.note && h("p", { class: "tip-line" }, clip(node.note, 160)),
      node.tags.length > 0 && h("p", { class: "tip-line" }, node.tags.join(" · ")),
      h("p", { class: "tip-line" }, clip(sessionName(state.sessions.get(node.session_id)), 50)),
      h("p", { class: "tip-line" }, [`${bytes(node.bytes_new)} new`, `${bytes(Math.max(0, node.bytes_total - node.bytes_new))} shared`,
        node.durability].join(" · ")),
      h("p", { class: "tip-line dim" }, shortId(node.id))),
  ];
}

/** What the glyphs of the node say, in words. @param {Node} node */
function marks(node) {
  const words = [node.failed && "failed", node.bookmarked && "bookmarked", node.pinned && "pinned: kept in a worker's memory"].filter(Boolean);
  return words.length ? h("p", { class: "tip-marks" }, words.join(" · ")) : "";
}
