/** The selected checkpoint: facts, marks, and what can be done with it. */

import { settingsInWords } from "../lists/settings.js";
import { open } from "../state/panes.js";
import { select } from "../state/selection.js";
import { LETTERS, emit, on, state, touch } from "../state/store.js";
import { subject } from "../state/subject.js";
import { badge } from "../ui/colours.js";
import { fill, h } from "../ui/dom.js";
import { iconButton, labelField, live, segment, segments } from "../ui/fields.js";
import { bytes, clip, seconds, sessionName, short, shortId } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toast } from "../ui/toasts.js";
import { rewind } from "./actions.js";
import { patchNode, setPinned } from "./marks.js";
import { buildNotes } from "./node-notes.js";
import { nameOf, placeOf } from "./subject-words.js";
import { showTab } from "./tabs.js";

/** @import { Node } from "../state/types.js" */
/** @import { Subject } from "../state/subject.js" */
/** @import { IconName } from "../ui/icons.js" */

export function buildNodeCard() {
  const about = h("div", { class: "node-part" });
  const rest = h("div", { class: "node-part" });
  const label = buildLabel();
  const notes = buildNotes();
  const el = h("section", { class: "node-card", "aria-label": "Selected checkpoint", hidden: true }, about, label.el, rest, notes.el);
  on(["selection", "nodes", "panes", "sessions", "active"], () => {
    const now = subject();
    el.hidden = !now;
    if (!now) return;
    const key = keyOf(now);
    fill(about, key, () => aboutOf(now));
    label.show(now.node);
    fill(rest, key, () => restOf(now));
    notes.show(now.node);
  });
  return el;
}

/** The label's field, and how to show a checkpoint's label in it. @returns {{el: HTMLElement, show: (node: Node) => void}} */
function buildLabel() {
  const el = labelField({ class: "label-edit", placeholder: "Name this checkpoint", "aria-label": "Label" });
  const show = live(el);
  let id = "";
  el.addEventListener("change", () => patchNode(id, { label: el.value.trim() || null }));
  el.addEventListener("keydown", (event) => event.key === "Enter" && el.blur());
  return { el, show: (node) => show(id = node.id, node.label ?? "") };
}

/** What of the subject and of the page the card shows. @param {Subject} now */
function keyOf(now) {
  const shown = state.panes.map((pane) => pane.nodeId === now.node.id);
  return JSON.stringify([{ ...now.node, children: null }, state.active, shown, now.canRewind, nameOf(now), placeOf(now),
    now.session?.id]);
}

/** What it is. @param {Subject} now */
function aboutOf(now) {
  const { node, session, letter } = now;
  return [
    h("div", { class: "node-head" }, h("h2", {}, `Step ${node.frame_index}`), ...marks(node)),
    h("p", { class: "node-subject" }, letter && badge(letter), h("span", { class: "node-session" }, clip(sessionName(session), 40)),
      h("span", { class: "dim" }, placeOf(now)), ...toHead(now)),
    h("p", { class: "node-prompt", title: node.prompt }, clip(node.prompt || "initial frame", 90)),
  ];
}

/** What can be done with it, and its facts. @param {Subject} now */
function restOf({ node, session, canRewind }) {
  return [
    h("div", { class: "node-buttons" },
      h("div", { class: "node-openers" }, h("span", { class: "label", "aria-hidden": "true" }, "Open in"),
        segments("Open in pane", ...openers(node))),
      h("button", { class: "button small", title: "Fork here (G)", onclick: () => showTab("fork", { focus: "textarea" }) }, icon("fork"), "Fork"),
      h("button", { class: "button small", disabled: !canRewind, title: "Move this session's head back to this checkpoint",
        onclick: () => session && rewind(session.id, { checkpoint_id: node.id }) }, icon("rewind"), "Rewind here"),
      h("button", { class: "button small", title: "Try many prompts and seeds from here, judged and counted", onclick: () => emit("evaluate") },
        icon("grid"), "Evaluate …")),
    unfollowed(node),
    node.note && h("p", { class: "node-note" }, node.note),
    facts(node),
  ];
}

/** The way back to where the session goes on. @param {Subject} now */
function toHead({ atHead, session }) {
  const head = session?.head;
  if (atHead || !head || !state.nodes.has(head)) return [];
  return [h("button", { class: "button small quiet", onclick: () => select(head) }, "Go to head")];
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
    ["Bytes", `${bytes(node.bytes_new)} own · ${bytes(Math.max(0, node.bytes_total - node.bytes_new))} shared`],
    ["Made in", node.wall_s ? `${seconds(node.wall_s)} on ${node.worker ?? "?"}` : "–"],
  ];
  if (Object.keys(node.model_settings ?? {}).length) rows.push(["Settings", settingsInWords(node.model_settings)]);
  if (node.observed) rows.push(["Closed loop", `${node.observed} real frames`]);
  if (typeof node.score === "number") rows.push(["Score", `${short(node.score, 4)}${node.score_better ? `, ${node.score_better} is better` : ""}`]);
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
