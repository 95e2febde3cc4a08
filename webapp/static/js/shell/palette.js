/** The palette: every command by its words, and every session. */

import { showSession } from "../controls/actions.js";
import { sessionsOf } from "../lists/sessions.js";
import { state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { clip, sessionName } from "../ui/format.js";
import { COMMANDS } from "./commands.js";
import { keyName } from "./help.js";

/** @typedef {{words: string, group: string, keys: string[], run: () => unknown}} Entry */

const MOST = 12;

export function palette() {
  if (document.querySelector("dialog[open]")) return;
  const words = h("input", { role: "combobox", "aria-label": "Command or session", "aria-expanded": "true",
    "aria-controls": "palette-list", placeholder: "What shall be done?", autocomplete: "off", spellcheck: "false" });
  const list = h("ul", { id: "palette-list", role: "listbox", "aria-label": "Commands" });
  const dialog = h("dialog", { class: "dialog palette", "aria-label": "Commands" }, words, list);
  /** @type {Entry[]} */
  let found = [];
  let at = 0;
  const choose = (/** @type {Entry|undefined} */ entry) => {
    dialog.close();
    entry?.run();
  };
  const mark = () => [...list.children].forEach((el, i) => {
    el.setAttribute("aria-selected", String(i === at));
    if (i === at) words.setAttribute("aria-activedescendant", el.id);
  });
  const refresh = () => {
    found = entriesFor(words.value).slice(0, MOST);
    at = 0;
    list.replaceChildren(...found.map((entry, i) => h("li", { role: "option", id: `palette-${i}`, onclick: () => choose(entry) },
      h("span", {}, entry.words), h("span", { class: "spacer" }),
      h("span", { class: "dim" }, entry.keys.length ? entry.keys.map((key) => h("kbd", {}, keyName(key))) : entry.group))));
    mark();
  };
  words.addEventListener("input", refresh);
  words.addEventListener("keydown", (event) => {
    const delta = new Map([["ArrowDown", 1], ["ArrowUp", -1]]).get(event.key);
    if (event.key === "Enter") choose(found[at]);
    else if (delta && found.length) at = (at + delta + found.length) % found.length;
    else return;
    mark();
    event.preventDefault();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  refresh();
}

/** Commands that have all the words, those that begin with them first; then sessions. @param {string} query @returns {Entry[]} */
function entriesFor(query) {
  const parts = query.toLowerCase().split(/\s+/).filter(Boolean);
  const commands = COMMANDS.flatMap(([group, list]) => list.map((command) => ({ ...command, group })))
    .filter(({ words, group }) => parts.every((part) => `${words} ${group}`.toLowerCase().includes(part)));
  const first = (/** @type {Entry} */ entry) => Number(!entry.words.toLowerCase().startsWith(parts[0] ?? ""));
  const sessions = parts.length ? sessionsOf(state.sessions.values(), "all", query).slice(0, MOST)
    .map((session) => ({ words: `Show ${clip(sessionName(session), 60)}`, group: "Session", keys: [], run: () => showSession(session) })) : [];
  return [...commands.sort((a, b) => first(a) - first(b)), ...sessions];
}
