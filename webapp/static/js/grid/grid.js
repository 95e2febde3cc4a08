/** All branches of the tree as a workbench: sorted, filtered, in groups; they play under the pointer or all in step; several are compared. */

import { divergenceFrame } from "../state/comparison.js";
import { leaves } from "../state/lineage.js";
import { branchNames } from "../lists/names.js";
import { MOST_PANES, openAll, startShow } from "../state/panes.js";
import { openNode } from "../state/selection.js";
import { on, state, touch } from "../state/store.js";
import { arrange, attr, fill, h, text } from "../ui/dom.js";
import { clip, count, short } from "../ui/format.js";
import { recall, store } from "../ui/memory.js";
import { showCard } from "./card.js";
import { buildFilters } from "./filters.js";
import { grouped, placesOf } from "./groups.js";
import { buildOrder } from "./order.js";
import { extend, restart, start, stop, stopAll } from "./playing.js";

/**
 * @import { Node } from "../state/types.js"
 * @import { Group } from "./groups.js"
 */

const PAGE = 500;
/** @type {Map<string, HTMLElement>} cards and heads of groups */
const kept = new Map();
/** @type {Set<string>} leaves that were chosen to be compared */
const chosen = new Set();
let shown = PAGE;
let allPlay = false;

export function buildGrid() {
  const refresh = () => {
    if (state.view !== "grid") return stopAll();
    const nameOf = branchNames();
    const all = leaves();
    const list = order.sort(filters.pick(all), nameOf);
    for (const id of chosen) if (!state.nodes.has(id)) chosen.delete(id);
    text(facts, list.length === all.length ? count(all.length, "branch", "branches") : `${list.length} of ${all.length}`);
    none.hidden = list.length > 0 || all.length === 0;
    const place = placesOf(list, order.unsaid());
    const items = itemsOf(list.slice(0, shown), filters.by());
    arrange(grid, kept, items, (item) => ("nodes" in item ? headOf(item)
      : cardOf(item, { name: nameOf(item), place: place(item), chosen: chosen.has(item.id) })));
    play.follow();
    more.hidden = list.length <= shown;
    text(more, `Show ${Math.min(PAGE, list.length - shown)} more of ${list.length}`);
    showChosen();
    return undefined;
  };
  const anew = () => {
    shown = PAGE;
    refresh();
  };
  const filters = buildFilters(anew);
  const order = buildOrder(anew);
  const facts = h("span", { class: "dim", role: "status" });
  const grid = h("div", { class: "grid", role: "list", "aria-label": "Branches" });
  const none = h("p", { class: "hint grid-none" }, "No branch matches.");
  const more = h("button", { class: "button grid-more", hidden: true, onclick: () => { shown += PAGE; refresh(); } });
  const bench = h("div", { class: "grid-chosen", hidden: true });
  const showChosen = () => {
    bench.hidden = chosen.size === 0;
    fill(bench, [...chosen].join(), () => [h("span", {}, `${count(chosen.size, "branch", "branches")} selected`),
      h("button", { class: "button small primary", onclick: compare }, chosen.size > MOST_PANES ? `Compare the first ${MOST_PANES}` : "Compare"),
      h("button", { class: "button small quiet", onclick: () => { chosen.clear(); refresh(); } }, "Clear")]);
  };
  listen(grid, refresh);
  on(["nodes", "sessions", "panes", "view", "jobs"], refresh);
  const play = playButton(grid);
  const bar = h("div", { class: "grid-bar" }, ...filters.els, ...order.els, denseButton(grid), play.button, facts);
  return h("div", { class: "grid-view" }, bar, bench, none, grid, more);
}

/** Small cards, many at once. @param {HTMLElement} grid */
function denseButton(grid) {
  const button = h("button", { class: "button small", onclick: () => set(!grid.classList.contains("dense")) }, "Dense");
  const set = (/** @type {boolean} */ wanted) => {
    grid.classList.toggle("dense", wanted);
    attr(button, "aria-pressed", wanted);
    store("dense", String(wanted));
  };
  set(recall("dense") === "true");
  return button;
}

/** All branches in view play the same frame, also those that come while they do. @param {HTMLElement} grid */
function playButton(grid) {
  const title = "All branches in view play, in step";
  const button = h("button", { class: "button small", "aria-pressed": "false", title, onclick: () => set(!allPlay) }, "Play all");
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const node = nodeOf(target.querySelector(".card"));
      if (node && isIntersecting && allPlay) start(target, node);
      else if (node) stop(node.id);
    }
  });
  const set = (/** @type {boolean} */ wanted) => {
    allPlay = wanted;
    attr(button, "aria-pressed", wanted);
    stopAll();
    seen.disconnect();
    restart(divergenceFrame() ?? 0, leaves());
    follow();
  };
  const follow = () => {
    if (!allPlay) return;
    extend(leaves());
    for (const slot of grid.querySelectorAll(".card-slot")) seen.observe(slot); // those that are observed already stay so
  };
  on(["view"], () => { if (state.view !== "grid" && allPlay) set(false); });
  return { button, follow };
}

/** Open what was chosen in panes. */
function compare() {
  openAll([...chosen].map((nodeId) => ({ nodeId })));
  state.view = "videos";
  state.selected = state.panes[0]?.nodeId ?? null;
  chosen.clear();
  stopAll();
  touch("view", "selection");
  startShow();
}

/** @param {HTMLElement} grid @param {() => void} refresh */
function listen(grid, refresh) {
  const toggle = (/** @type {string} */ id) => {
    if (!chosen.delete(id)) chosen.add(id);
    refresh();
  };
  grid.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = nodeOf(target.closest(".card"));
    if (target.dataset.choice) toggle(target.dataset.choice);
    else if (node && (event.ctrlKey || event.metaKey)) toggle(node.id);
    else if (node) openNode(node.id, { beside: event.shiftKey });
  });
  grid.addEventListener("keydown", (event) => {
    const node = nodeOf(document.activeElement);
    if (event.key.toLowerCase() !== "x" || !node || event.ctrlKey || event.metaKey) return walk(grid, event);
    event.preventDefault();
    event.stopPropagation();
    return toggle(node.id);
  });
  grid.addEventListener("pointerover", (event) => {
    const card = /** @type {Element} */ (event.target).closest(".card");
    const node = nodeOf(card);
    if (!card || !node || allPlay || event.pointerType === "touch" || card.contains(/** @type {Element|null} */ (event.relatedTarget))) return;
    stopAll();
    restart(firstOwnFrame(node), [node]);
    start(card.parentElement ?? card, node);
  });
  grid.addEventListener("pointerout", (event) => {
    const card = /** @type {Element} */ (event.target).closest(".card");
    const node = nodeOf(card);
    if (card && node && !allPlay && !card.contains(/** @type {Element|null} */ (event.relatedTarget))) stop(node.id);
  });
}

/** Where a branch leaves the one that it was forked from. @param {Node} node */
function firstOwnFrame(node) {
  const forked = state.sessions.get(node.session_id)?.forked_at ?? 0;
  return forked * (state.model?.geometry.frames_per_step ?? 8);
}

/** @param {Element|null} card */
function nodeOf(card) {
  return state.nodes.get(/** @type {HTMLElement|null} */ (card)?.dataset.node ?? "") ?? null;
}

/** @param {Node[]} list @param {import("./groups.js").GroupKey} by @returns {(Node|Group)[]} */
function itemsOf(list, by) {
  return by === "none" ? list : grouped(list, by, state.sessions).flatMap((group) => [group, ...group.nodes]);
}

/** @param {Group} group */
function headOf({ id, name, nodes, failed, mean }) {
  const head = kept.get(id) ?? h("div", { class: "grid-group", role: "listitem" });
  const parts = [count(nodes.length, "branch", "branches"), failed && `${failed} failed`, mean !== null && `mean score ${short(mean)}`];
  const words = parts.filter(Boolean).join(" · ");
  fill(head, name + words, () => [h("h3", { title: name }, clip(name, 90)), h("span", { class: "dim" }, words)]);
  return head;
}

/** @param {Node} node @param {{name: string, place: number|null, chosen: boolean}} look */
function cardOf(node, look) {
  const slot = kept.get(node.id) ?? h("div", { role: "listitem", class: "card-slot" });
  showCard(slot, node, look);
  return slot;
}

/** Arrows go from card to card. @param {HTMLElement} grid @param {KeyboardEvent} event */
function walk(grid, event) {
  const all = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(".card")]);
  const at = all.findIndex((el) => el === document.activeElement);
  if (at < 0) return;
  const perRow = all.filter((el) => el.parentElement?.offsetTop === all[0].parentElement?.offsetTop).length;
  const delta = new Map([["ArrowLeft", -1], ["ArrowRight", 1], ["ArrowUp", -perRow], ["ArrowDown", perRow]]).get(event.key);
  if (!delta) return;
  all[Math.max(0, Math.min(all.length - 1, at + delta))].focus();
  event.preventDefault();
  event.stopPropagation();
}
