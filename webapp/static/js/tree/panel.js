/** The left panel: which tree, search, and the tree itself. */

import { openTreeOf } from "../net/load.js";
import { leaves } from "../state/lineage.js";
import { planters } from "../lists/sessions.js";
import { on, state } from "../state/store.js";
import { fill, h, text } from "../ui/dom.js";
import { iconButton } from "../ui/fields.js";
import { clip, count, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { buildTreeCanvas, find, fitAll, nextMatch } from "./canvas.js";

/** @param {HTMLElement} panel */
export function buildTreePanel(panel) {
  const picker = h("select", { class: "tree-picker", "aria-label": "Tree", onchange: () => openTreeOf(picker.value) });
  const words = h("input", { type: "search", id: "search", placeholder: "Search the tree …", "aria-label": "Search the tree",
    title: "Prompts, labels, notes, tags, ids, seeds; failed, bookmarked, pinned", spellcheck: "false" });
  const hits = h("span", { class: "hits", role: "status" });
  const facts = h("p", { class: "tree-facts" });
  words.addEventListener("input", () => {
    const found = find(words.value);
    text(hits, words.value.trim() ? String(found) : "");
  });
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nextMatch(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    words.value = "";
    find("");
    text(hits, "");
    words.blur();
  });
  const note = h("div", { class: "tree-note" });
  panel.append(
    h("div", { class: "panel-head" }, h("h2", {}, "Tree"), picker,
      iconButton("fit", "Fit the tree into view", fitAll)),
    h("div", { class: "search-row" }, icon("search"), words, hits),
    buildTreeCanvas(), note, facts);
  on(["nodes", "sessions", "tree"], () => {
    fillPicker(picker);
    picker.hidden = picker.options.length < 2;
    showStatus(note);
    text(facts, inWords());
  });
}

/** How large the tree is; others may be loaded beside it, to compare with. */
function inWords() {
  const own = leaves().filter((node) => node.tree_id === state.treeId).length;
  const others = leaves().length - own;
  if (!state.nodes.size) return "";
  return [count(state.nodes.size, "checkpoint"), count(own, "branch", "branches"), others && `${others} of other trees`].filter(Boolean).join(" · ");
}

/** One entry per tree, named after the session that planted it. @param {HTMLSelectElement} picker */
function fillPicker(picker) {
  const entries = planters(state.sessions.values()).sort((a, b) => b.created - a.created);
  const key = entries.map((session) => session.id + sessionName(session)).join();
  fill(picker, key, () => entries.map((session) => h("option", { value: session.id }, clip(sessionName(session), 40))));
  const current = entries.find((session) => session.tree_id === state.treeId);
  picker.value = current?.id ?? "";
}

/** @param {HTMLElement} note */
function showStatus(note) {
  const words = { loading: "Loading the tree …", empty: "Nothing here yet. The tree grows with the first session.",
    error: state.treeError?.message ?? "", dead: "No tree is shown.", deleted: "No tree is shown.", lost: "", ready: "" }[state.treeStatus];
  note.hidden = !words;
  text(note, words);
  note.classList.toggle("bad", state.treeStatus === "error");
}
