/** The browser of sessions and trees: search, kinds apart, as many as wanted; show, close, open again. */

import { loadBulkSessions, openSessionBeside } from "../net/load.js";
import { sessionsOf } from "../lists/sessions.js";
import { here } from "../state/address.js";
import { letterOf, on, state } from "../state/store.js";
import { badge } from "../ui/colours.js";
import { arrange, fill, h, text } from "../ui/dom.js";
import { choice } from "../ui/fields.js";
import { clip, count, dateTime, sessionName } from "../ui/format.js";
import { problem } from "../ui/toasts.js";
import { closeSession, reopenSession, showSession } from "../controls/actions.js";
import { deleteTreeButton } from "./delete-tree.js";
import { currentTab } from "../controls/tabs.js";

/** @import { Kind } from "../lists/sessions.js" */
/** @import { Session } from "../state/types.js" */

const PAGE = 50;
/** @type {[Kind, string][]} */
const KINDS = [["all", "All"], ["open", "Open"], ["closed", "Closed"], ["trees", "Trees"], ["bulk", "Bulk"]];
/** @type {Map<string, HTMLElement>} */
const rows = new Map();

export function buildSessionsList() {
  const words = h("input", { type: "search", placeholder: "Search label, prompt, id, seed …", "aria-label": "Search the sessions" });
  const facts = h("p", { class: "hint", role: "status" });
  const list = h("ul", { class: "session-list" });
  const more = h("button", { class: "button", hidden: true });
  /** @type {Kind} */
  let kind = "all";
  let shown = PAGE;
  const refresh = () => {
    if (currentTab() !== "sessions") return;
    const all = sessionsOf(state.sessions.values(), kind, "");
    const found = words.value.trim() ? sessionsOf(all, kind, words.value) : all;
    const open = all.filter((session) => session.state === "open").length;
    const what = count(all.length, kind === "trees" ? "tree" : "session");
    text(facts, found.length < all.length ? `${found.length} of ${what}` : all.length ? `${what}, ${open} open` : "None.");
    more.hidden = found.length <= shown;
    text(more, `Show ${Math.min(PAGE, found.length - shown)} more of ${found.length}`);
    arrange(list, rows, found.slice(0, shown), rowOf);
  };
  const anew = () => {
    shown = PAGE;
    refresh();
  };
  const kinds = choice("Which sessions", KINDS, kind, (value) => {
    kind = value;
    anew();
    if (kind === "bulk") loadBulkSessions().then(refresh, problem);
  });
  words.addEventListener("input", anew);
  more.addEventListener("click", () => { shown += PAGE; refresh(); });
  on(["sessions", "panes", "jobs", "tab", "tree"], refresh);
  return h("div", { class: "form sessions-panel" }, words, kinds, facts, list, more);
}

/** @param {Session} session */
function rowOf(session) {
  const row = rows.get(session.id) ?? h("li", {});
  const letter = letterOf(session.id);
  const ofTree = session.tree_id !== null && session.tree_id === state.treeId;
  const key = [session.state, session.head, state.panes.length > 0, sessionName(session), stateOf(session), letter, ofTree];
  fill(row, key.join("|"), () => build(session, letter));
  row.className = [session.state, ofTree ? "here" : ""].join(" ").trim();
  return row;
}

/** @param {Session} session */
function stateOf({ running_job: job, queued, state: now, frame_index: step }) {
  return job ? "stepping" : queued ? `${queued} queued` : now === "open" ? `step ${step ?? 0}` : `step ${step ?? 0}, closed`;
}

/** @param {Session} session @param {string|null} letter */
function build(session, letter) {
  return [
    session.head ? h("img", { class: "session-picture", src: here(`/api/checkpoints/${session.head}/thumbnail?width=80`), alt: "", loading: "lazy",
      width: "40", height: "40" }) : h("span", { class: "session-picture" }),
    h("div", { class: "session-words" },
      h("button", { class: "session-name", onclick: () => showSession(session), title: session.prompt }, letter && badge(letter),
        clip(sessionName(session), 60)),
      h("span", { class: "dim" }, `${stateOf(session)} · ${dateTime(session.created)}`)),
    h("div", { class: "session-tools" },
      session.head && state.panes.length > 0 && h("button", { class: "button small quiet", title: "Compare: open its head beside what is shown",
        onclick: () => openSessionBeside(session).catch(problem) }, "Beside"),
      session.state === "open" ? h("button", { class: "button small quiet", onclick: () => closeSession(session) }, "Close")
        : h("button", { class: "button small quiet", onclick: () => reopenSession(session) }, "Reopen"),
      session.state === "closed" && deleteTreeButton(session)),
  ];
}
