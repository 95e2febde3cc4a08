/** All branches of the tree as thumbnails, sortable and filterable; a click opens one in a pane. */

import { pictureOf } from "../net/api.js";
import { leaves } from "../state/lineage.js";
import { branchNames } from "../state/names.js";
import { openNode } from "../state/selection.js";
import { lettersAt, on, state } from "../state/store.js";
import { badge, sessionColour } from "../ui/colours.js";
import { arrange, fill, h, text } from "../ui/dom.js";
import { clip, count, short } from "../ui/format.js";
import { buildOrder } from "./order.js";
import { search } from "./search.js";

/** @import { Node } from "../state/types.js" */

/** @type {Record<string, [string, (node: Node) => boolean]>} */
const FILTERS = {
  all: ["All", () => true],
  running: ["Running", isRunning],
  failed: ["Failed", (node) => node.failed],
  fine: ["Not failed", (node) => !node.failed],
  bookmarked: ["Bookmarked", (node) => node.bookmarked],
  pending: ["Not stored yet", (node) => node.durability === "pending"],
};
/** @type {Map<string, HTMLElement>} */
const cards = new Map();
let nameOf = branchNames();

export function buildGrid() {
  const words = h("input", { type: "search", placeholder: "Filter branches …", "aria-label": "Filter branches" });
  const order = buildOrder(() => refresh());
  const filters = h("select", { "aria-label": "Show" }, ...Object.keys(FILTERS).map((key) => h("option", { value: key }, FILTERS[key][0])));
  const facts = h("span", { class: "dim", role: "status" });
  const grid = h("div", { class: "grid", role: "list", "aria-label": "Branches" });
  const none = h("p", { class: "hint grid-none" }, "No branch matches.");
  const refresh = () => {
    if (state.view !== "grid") return;
    nameOf = branchNames();
    const hits = words.value.trim() ? search(words.value) : null;
    const all = leaves();
    const list = order.sort(all.filter((node) => FILTERS[filters.value][1](node) && (!hits || hits.has(node.id))), nameOf);
    text(facts, list.length === all.length ? count(all.length, "branch", "branches") : `${list.length} of ${all.length}`);
    none.hidden = list.length > 0 || all.length === 0;
    arrange(grid, cards, list, cardOf);
  };
  for (const field of [filters, words]) field.addEventListener("input", refresh);
  grid.addEventListener("keydown", (event) => walk(grid, event));
  on(["nodes", "sessions", "panes", "view", "jobs"], refresh);
  const bar = h("div", { class: "grid-bar" }, words, ...order.els, h("label", {}, "Show ", filters), facts);
  return h("div", { class: "grid-view" }, bar, none, grid);
}

/** @param {Node} node */
function isRunning(node) {
  return Boolean(state.sessions.get(node.session_id)?.running_job);
}

/** @param {Node} node */
function cardOf(node) {
  const slot = cards.get(node.id) ?? h("div", { role: "listitem", class: "card-slot" });
  const letters = lettersAt(node.id);
  const { failed, bookmarked, pinned, durability, score } = node;
  const key = [failed, bookmarked, pinned, durability, score, nameOf(node), letters, isRunning(node), sessionColour(node.session_id)];
  fill(slot, key.join("|"), () => [card(node, letters)]);
  return slot;
}

/** @param {Node} node @param {string} letters  of the panes that end there */
function card(node, letters) {
  const el = h("button", { class: "card", title: `${node.prompt}\nClick opens it in the active pane, Shift+click beside the others`,
    onclick: (/** @type {MouseEvent} */ event) => openNode(node.id, { beside: event.shiftKey }) },
  h("img", { src: pictureOf(node), alt: "", loading: "lazy", width: "112", height: "112" }),
  letters && badge(letters[0], "corner"),
  h("span", { class: "card-name" }, clip(nameOf(node), 44)),
  h("span", { class: "card-facts" }, `step ${node.frame_index}`, node.seed !== null && ` · seed ${node.seed}`),
  h("span", { class: "card-chips" }, ...chips(node)));
  el.style.setProperty("--own", sessionColour(node.session_id));
  return el;
}

/** @param {Node} node */
function chips(node) {
  const words = [
    ["calm", typeof node.score === "number" && short(node.score)], ["live", isRunning(node) && "stepping"], ["bad", node.failed && "failed"],
    ["calm", node.bookmarked && "bookmarked"], ["calm", node.pinned && "pinned"], ["wait", node.durability === "pending" && "storing"],
    ["bad", node.durability === "damaged" && "damaged"]];
  return words.map(([kind, label]) => label && h("span", { class: `chip ${kind}` }, label));
}

/** Arrows go from card to card. @param {HTMLElement} grid @param {KeyboardEvent} event */
function walk(grid, event) {
  const all = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(".card")]);
  const at = all.findIndex((el) => el === document.activeElement);
  if (at < 0) return;
  const perRow = all.filter((el) => el.offsetTop === all[0].offsetTop).length;
  const delta = new Map([["ArrowLeft", -1], ["ArrowRight", 1], ["ArrowUp", -perRow], ["ArrowDown", perRow]]).get(event.key);
  if (!delta) return;
  all[Math.max(0, Math.min(all.length - 1, at + delta))].focus();
  event.preventDefault();
  event.stopPropagation();
}
