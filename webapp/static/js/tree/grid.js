/** All branches of the tree as thumbnails, sortable and filterable; a click opens one in a pane. */

import { leaves } from "../state/lineage.js";
import { branchNames } from "../state/names.js";
import { openNode } from "../state/selection.js";
import { LETTERS, on, state } from "../state/store.js";
import { sessionColour } from "../ui/colours.js";
import { fill, h, text } from "../ui/dom.js";
import { clip, count, short } from "../ui/format.js";
import { search } from "./walk.js";

const SORTS = {
  newest: ["Newest", (a, b) => b.created - a.created],
  score: ["Score", (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity)],
  steps: ["Steps", (a, b) => b.frame_index - a.frame_index],
  name: ["Name", (a, b) => nameOf(a).localeCompare(nameOf(b))],
};
const FILTERS = {
  all: ["All", () => true],
  running: ["Running", (node) => Boolean(state.sessions.get(node.session_id)?.running_job)],
  failed: ["Failed", (node) => node.failed],
  fine: ["Not failed", (node) => !node.failed],
  bookmarked: ["Bookmarked", (node) => node.bookmarked],
  pending: ["Not stored yet", (node) => node.durability === "pending"],
};
const cards = new Map();
let nameOf = branchNames();

export function buildGrid() {
  let sort = "newest";
  let filter = "all";
  const words = h("input", { type: "search", placeholder: "Filter branches …", "aria-label": "Filter branches" });
  const sorts = h("select", { "aria-label": "Sort by" }, ...Object.entries(SORTS).map(([key, [label]]) => h("option", { value: key }, label)));
  const filters = h("select", { "aria-label": "Show" }, ...Object.entries(FILTERS).map(([key, [label]]) => h("option", { value: key }, label)));
  const facts = h("span", { class: "dim", role: "status" });
  const grid = h("div", { class: "grid", role: "list", "aria-label": "Branches" });
  const none = h("p", { class: "hint grid-none" }, "No branch matches.");
  const refresh = () => {
    if (state.view !== "grid") return;
    nameOf = branchNames();
    const hits = words.value.trim() ? search(words.value) : null;
    const all = leaves();
    const list = all.filter((node) => FILTERS[filter][1](node) && (!hits || hits.has(node.id))).sort(SORTS[sort][1]);
    text(facts, list.length === all.length ? count(all.length, "branch").replace("branchs", "branches") : `${list.length} of ${all.length}`);
    none.hidden = list.length > 0 || all.length === 0;
    place(grid, list);
  };
  sorts.addEventListener("change", () => { sort = sorts.value; refresh(); });
  filters.addEventListener("change", () => { filter = filters.value; refresh(); });
  words.addEventListener("input", refresh);
  grid.addEventListener("keydown", walk);
  on("nodes sessions panes view jobs", refresh);
  return h("div", { class: "grid-view" }, h("div", { class: "grid-bar" }, words, h("label", {}, "Sort ", sorts), h("label", {}, "Show ", filters), facts), none, grid);
}

function place(grid, list) {
  const wanted = new Set(list.map((node) => node.id));
  for (const [id, card] of cards) if (!wanted.has(id)) { card.remove(); cards.delete(id); }
  list.forEach((node, index) => {
    const card = cardOf(node);
    if (grid.children[index] !== card) grid.insertBefore(card, grid.children[index] ?? null);
  });
}

function cardOf(node) {
  if (!cards.has(node.id)) cards.set(node.id, h("div", { role: "listitem", class: "card-slot" }));
  const slot = cards.get(node.id);
  const letters = state.panes.map((pane, i) => (pane.nodeId === node.id ? LETTERS[i] : "")).join("");
  const running = Boolean(state.sessions.get(node.session_id)?.running_job);
  fill(slot, [node.failed, node.bookmarked, node.pinned, node.durability, node.score, nameOf(node), letters, running, sessionColour(node.session_id)].join("|"), () => card(node, letters, running));
  return slot;
}

function card(node, letters, running) {
  const chips = [running && ["live", "stepping"], node.failed && ["bad", "failed"], node.bookmarked && ["calm", "bookmarked"], node.pinned && ["calm", "pinned"],
    node.durability === "pending" && ["wait", "storing"], node.durability === "damaged" && ["bad", "damaged"]].filter(Boolean);
  const el = h("button", { class: "card", type: "button", title: `${node.prompt}\nClick opens it in the active pane, Shift+click beside the others`,
    onclick: (event) => openNode(node.id, { beside: event.shiftKey }) },
  h("img", { src: `/api/checkpoints/${node.id}/frames/${Math.max(0, (node.n_frames || 1) - 1)}`, alt: "", loading: "lazy", width: "112", height: "112" }),
  letters && h("span", { class: `letter small corner letter-${letters[0].toLowerCase()}` }, letters),
  h("span", { class: "card-name" }, clip(nameOf(node), 44)),
  h("span", { class: "card-facts" }, `step ${node.frame_index}`, node.seed !== null && ` · seed ${node.seed}`),
  h("span", { class: "card-chips" }, node.score !== null && node.score !== undefined && h("span", { class: "chip calm" }, short(node.score)),
    ...chips.map(([kind, words]) => h("span", { class: `chip ${kind}` }, words))));
  el.style.setProperty("--own", sessionColour(node.session_id));
  return el;
}

function walk(event) {
  const all = [...event.currentTarget.querySelectorAll(".card")];
  const at = all.indexOf(document.activeElement);
  if (at < 0) return;
  const perRow = all.filter((card) => card.offsetTop === all[0].offsetTop).length;
  const delta = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow }[event.key];
  if (!delta) return;
  all[Math.max(0, Math.min(all.length - 1, at + delta))].focus();
  event.preventDefault();
  event.stopPropagation();
}
