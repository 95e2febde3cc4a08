/** The selected checkpoint: facts, marks, and what can be done with it. */

import { lineage } from "../state/lineage.js";
import { open } from "../state/panes.js";
import { LETTERS, activeSession, on, state, touch } from "../state/store.js";
import { attr, fill, h } from "../ui/dom.js";
import { bytes, clip, seconds, short, shortId } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toasts.js";
import { patchNode, rewind, setPinned } from "./actions.js";
import { showTab } from "./tabs.js";

export function buildNodeCard() {
  const el = h("section", { class: "node-card", "aria-label": "Selected checkpoint", hidden: true });
  on("selection nodes panes sessions active", () => {
    const node = state.nodes.get(state.selected);
    el.hidden = !node;
    if (node) fill(el, keyOf(node), () => build(node));
  });
  return el;
}

function keyOf(node) {
  const session = activeSession();
  return [JSON.stringify([node.id, node.label, node.failed, node.bookmarked, node.pinned, node.durability, node.score, node.bytes_new]), state.panes.length, state.active,
    state.panes.map((pane) => pane.nodeId === node.id), canRewind(node, session)].join("|");
}

function build(node) {
  const label = h("input", { class: "label-edit", value: node.label ?? "", placeholder: "Name this checkpoint", "aria-label": "Label", maxlength: "200" });
  label.addEventListener("change", () => patchNode(node.id, { label: label.value.trim() || null }));
  label.addEventListener("keydown", (event) => event.key === "Enter" && label.blur());
  const session = activeSession();
  return [
    h("div", { class: "node-head" }, h("h2", {}, `Step ${node.frame_index}`), ...marks(node)),
    h("p", { class: "node-prompt", title: node.prompt }, clip(node.prompt || "initial frame", 90)),
    label,
    h("div", { class: "node-buttons" },
      h("div", { class: "segments", role: "group", "aria-label": "Open in pane" }, ...openers(node)),
      h("button", { class: "button small", type: "button", title: "Fork here (G)", onclick: () => showTab("fork", { focus: "textarea" }) }, icon("fork"), "Fork"),
      h("button", { class: "button small", type: "button", disabled: !canRewind(node, session), title: "Move the active session's head back to this checkpoint",
        onclick: () => rewind(session.id, { checkpoint_id: node.id }) }, icon("rewind"), "Rewind here")),
    unfollowed(node),
    facts(node),
  ];
}

/** Some models predict their own actions and only record what they are given: never let it look otherwise. */
function unfollowed(node) {
  if (node.steered !== false) return "";
  return h("p", { class: "hint" }, "This model predicts its own actions; the given ones were recorded, not followed.");
}

function openers(node) {
  return LETTERS.slice(0, Math.min(3, state.panes.length + 1)).map((letter, at) => h("button", { type: "button", class: `segment letter-${letter.toLowerCase()}`,
    "aria-pressed": String(state.panes[at]?.nodeId === node.id), title: `Open in pane ${letter}`, "aria-label": `Open in pane ${letter}`, onclick: () => { open(node.id, { at }); touch("selection"); } }, letter));
}

function marks(node) {
  const toggle = (name, label, on_, change, title = label) => {
    const button = h("button", { class: `icon-button mark ${on_ ? "on" : ""}`, type: "button", title, "aria-label": label, onclick: change }, icon(name));
    attr(button, "aria-pressed", on_);
    return button;
  };
  const patch = (change) => () => patchNode(node.id, change);
  const pinned = Boolean(node.pinned);
  return [h("span", { class: `chip ${{ pending: "wait", durable: "good" }[node.durability] ?? "bad"}` }, { pending: "storing", durable: "stored" }[node.durability] ?? node.durability),
    h("span", { class: "spacer" }),
    toggle("save", "Bookmark (B)", node.bookmarked, patch({ bookmarked: !node.bookmarked })),
    toggle("close", "Mark as failed", node.failed, patch({ failed: !node.failed })),
    toggle("pin", pinned ? "Unpin" : "Pin", pinned, () => setPinned(node.id, !pinned),
      pinned ? "Unpin: its state may leave the workers' memory (it stays stored)" : "Pin: keep its state in a worker's memory, for instant forks")];
}

function facts(node) {
  const shared = (node.bytes_total ?? 0) - (node.bytes_new ?? 0);
  const rows = [
    ["Seed", node.seed ?? "–"], ["Actions", node.action_source ?? "–"],
    ["Bytes", `${bytes(node.bytes_new)} own · ${bytes(shared)} shared`],
    ["Made in", node.wall_s ? `${seconds(node.wall_s)} on ${node.worker ?? "?"}` : "–"],
  ];
  if (node.observed) rows.push(["Closed loop", `${node.observed} real frames`]);
  if (node.score !== null && node.score !== undefined) rows.push(["Score", short(node.score, 4)]);
  return h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
    h("dt", {}, "Id"), h("dd", {}, h("button", { class: "copy", type: "button", title: node.id, onclick: () => copy(node.id) }, shortId(node.id), icon("copy"))));
}

/** The clipboard API is missing on plain http from another host: select the text by hand there. */
async function copy(words) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(words);
    toast("Id copied.", { kind: "good" });
  } else window.prompt("Copy the id:", words);
}

function canRewind(node, session) {
  if (!session?.head || session.state !== "open" || session.head === node.id) return false;
  return lineage(session.head)[node.frame_index]?.id === node.id;
}
