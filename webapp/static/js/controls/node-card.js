/** The selected checkpoint: facts, marks, and what can be done with it. */

import { isOnLineage } from "../state/lineage.js";
import { open } from "../state/panes.js";
import { LETTERS, activeSession, on, selectedNode, state, touch } from "../state/store.js";
import { fill, h } from "../ui/dom.js";
import { iconButton, segment, segments } from "../ui/fields.js";
import { bytes, clip, seconds, short, shortId } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toasts.js";
import { rewind } from "./actions.js";
import { patchNode, setPinned } from "./marks.js";
import { showTab } from "./tabs.js";

/** @import { Node, Session } from "../state/types.js" */
/** @import { IconName } from "../ui/icons.js" */

export function buildNodeCard() {
  const el = h("section", { class: "node-card", "aria-label": "Selected checkpoint", hidden: true });
  on(["selection", "nodes", "panes", "sessions", "active"], () => {
    const node = selectedNode();
    el.hidden = !node;
    if (node) fill(el, keyOf(node), () => build(node));
  });
  return el;
}

/** What of a node and of the page the card shows. @param {Node} node */
function keyOf(node) {
  const { id, label, failed, bookmarked, pinned, durability, score, bytes_new: own } = node;
  return JSON.stringify([id, label, failed, bookmarked, pinned, durability, score, own, state.active, state.panes.map((pane) => pane.nodeId === id),
    canRewind(node, activeSession())]);
}

/** @param {Node} node */
function build(node) {
  const label = h("input", { class: "label-edit", value: node.label ?? "", placeholder: "Name this checkpoint", "aria-label": "Label",
    maxlength: "200" });
  label.addEventListener("change", () => patchNode(node.id, { label: label.value.trim() || null }));
  label.addEventListener("keydown", (event) => event.key === "Enter" && label.blur());
  const session = activeSession();
  return [
    h("div", { class: "node-head" }, h("h2", {}, `Step ${node.frame_index}`), ...marks(node)),
    h("p", { class: "node-prompt", title: node.prompt }, clip(node.prompt || "initial frame", 90)),
    label,
    h("div", { class: "node-buttons" }, segments("Open in pane", ...openers(node)),
      h("button", { class: "button small", title: "Fork here (G)", onclick: () => showTab("fork", { focus: "textarea" }) }, icon("fork"), "Fork"),
      h("button", { class: "button small", disabled: !canRewind(node, session), title: "Move the active session's head back to this checkpoint",
        onclick: () => session && rewind(session.id, { checkpoint_id: node.id }) }, icon("rewind"), "Rewind here")),
    unfollowed(node),
    facts(node),
  ];
}

/** Some models predict their own actions and only record what they are given: never let it look otherwise. @param {Node} node */
function unfollowed(node) {
  if (node.steered !== false) return "";
  return h("p", { class: "hint" }, "This model predicts its own actions; the given ones were recorded, not followed.");
}

/** @param {Node} node */
function openers(node) {
  return LETTERS.slice(0, state.panes.length + 1).map((letter, at) => segment(letter, state.panes[at]?.nodeId === node.id,
    () => { open(node.id, { at }); touch("selection"); },
    { class: `segment letter-${letter.toLowerCase()}`, title: `Open in pane ${letter}`, "aria-label": `Open in pane ${letter}` }));
}

const STORED = {
  pending: ["wait", "storing"], durable: ["good", "stored"], deleted: ["bad", "deleted"], damaged: ["bad", "damaged"],
};

/** @param {Node} node */
function marks(node) {
  const { id, failed, bookmarked, pinned } = node;
  const [kind, words] = STORED[node.durability];
  return [h("span", { class: `chip ${kind}` }, words), h("span", { class: "spacer" }),
    mark("save", "Bookmark (B)", bookmarked, () => patchNode(id, { bookmarked: !bookmarked })),
    mark("flag", "Mark as failed", failed, () => patchNode(id, { failed: !failed })),
    mark("pin", pinned ? "Unpin" : "Pin", pinned, () => setPinned(id, !pinned),
      pinned ? "Unpin: its state may leave the workers' memory (it stays stored)" : "Pin: keep its state in a worker's memory, for instant forks")];
}

/** @param {IconName} name @param {string} label @param {boolean} pressed @param {() => void} onclick */
function mark(name, label, pressed, onclick, title = label) {
  return iconButton(name, label, onclick, { class: `icon-button mark ${pressed ? "on" : ""}`, title, "aria-pressed": String(Boolean(pressed)) });
}

/** @param {Node} node */
function facts(node) {
  const rows = [
    ["Seed", node.seed ?? "–"], ["Actions", node.action_source ?? "–"],
    ["Bytes", `${bytes(node.bytes_new)} own · ${bytes(node.bytes_total - node.bytes_new)} shared`],
    ["Made in", node.wall_s ? `${seconds(node.wall_s)} on ${node.worker ?? "?"}` : "–"],
  ];
  if (node.observed) rows.push(["Closed loop", `${node.observed} real frames`]);
  if (typeof node.score === "number") rows.push(["Score", short(node.score, 4)]);
  return h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    h("dt", {}, "Id"),
    h("dd", {}, h("button", { class: "copy", title: node.id, onclick: () => copy(node.id) }, shortId(node.id), icon("copy"))));
}

/** The clipboard API is missing on plain http from another host: select the text by hand there. @param {string} words */
async function copy(words) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(words);
    toast("Id copied.", { kind: "good" });
  } else window.prompt("Copy the id:", words);
}

/** @param {Node} node @param {Session|null} session */
function canRewind(node, session) {
  return session?.state === "open" && session.head !== null && session.head !== node.id && isOnLineage(node, session.head);
}
