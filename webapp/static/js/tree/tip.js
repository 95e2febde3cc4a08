/** The card that appears at a node under the pointer: its last frame and what matters about it. */

import { state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { bytes, clip, count, seconds, shortId } from "../ui/format.js";
import { sessionName } from "../ui/format.js";

const tip = h("div", { class: "tip", role: "tooltip", hidden: true });
let shownFor = null;

/** @param {import("./layout.js").Item} item  @param {DOMRect} box  where it is on screen */
export function showTip(item, box) {
  if (shownFor === item) return;
  shownFor = item;
  if (!tip.isConnected) document.body.append(tip);
  tip.replaceChildren(...(item.run ? runCard(item) : nodeCard(state.nodes.get(item.id))));
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

function runCard(item) {
  const first = state.nodes.get(item.run[0]);
  const last = state.nodes.get(item.run[item.run.length - 1]);
  return [h("p", { class: "tip-title" }, `${count(item.run.length, "step")} folded`),
    h("p", { class: "tip-line" }, `steps ${first.frame_index} to ${last.frame_index}; click to unfold`)];
}

function nodeCard(node) {
  const index = Math.max(0, (node.n_frames || 1) - 1);
  const facts = [`step ${node.frame_index}`, node.seed === null ? null : `seed ${node.seed}`, node.action_source ? `actions ${node.action_source}` : null,
    node.wall_s ? seconds(node.wall_s) : null].filter(Boolean).join(" · ");
  return [
    h("img", { class: "tip-picture", src: `/api/checkpoints/${node.id}/frames/${index}`, alt: "", width: 96 }),
    h("div", { class: "tip-text" },
      h("p", { class: "tip-title" }, clip(node.label || node.prompt || "initial frame", 60)),
      h("p", { class: "tip-line" }, facts),
      marks(node),
      h("p", { class: "tip-line" }, clip(sessionName(state.sessions.get(node.session_id)), 50)),
      h("p", { class: "tip-line" }, `${bytes(node.bytes_new)} new · ${bytes((node.bytes_total ?? 0) - (node.bytes_new ?? 0))} shared · ${node.durability}`),
      h("p", { class: "tip-line dim" }, shortId(node.id))),
  ];
}

/** What the glyphs of the node say, in words. */
function marks(node) {
  const words = [node.failed && "failed", node.bookmarked && "bookmarked", node.pinned && "pinned: kept in a worker's memory"].filter(Boolean);
  return words.length ? h("p", { class: "tip-marks" }, words.join(" · ")) : "";
}
