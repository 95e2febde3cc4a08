/** All sessions: show, close, open again. */

import { letterOf, on, state } from "../state/store.js";
import { sessionColour } from "../ui/colours.js";
import { h, text } from "../ui/dom.js";
import { clip, sessionName } from "../ui/format.js";
import { closeSession, reopenSession, showSession } from "./actions.js";
import { currentTab } from "./tabs.js";

/** @import { Session } from "../state/types.js" */

const MOST = 100;

export function buildSessionsList() {
  const facts = h("p", { class: "hint" });
  const list = h("ul", { class: "session-list" });
  const refresh = () => {
    if (currentTab() !== "sessions") return;
    const all = [...state.sessions.values()].filter((session) => !session.bulk);
    const open = all.filter((session) => session.state === "open");
    text(facts, all.length ? `${open.length} open, ${all.length - open.length} closed. A closed session keeps its tree.` : "No sessions yet.");
    const order = (/** @type {Session} */ session) => (session.state === "open" ? 0 : 1);
    list.replaceChildren(...all.sort((a, b) => order(a) - order(b) || b.created - a.created).slice(0, MOST).map(row));
  };
  on(["sessions", "panes", "jobs", "tab"], refresh);
  return h("div", { class: "form sessions-panel" }, facts, list);
}

/** @param {Session} session */
function row(session) {
  const letter = letterOf(session.id);
  const open = session.state === "open";
  const busy = session.running_job ? "stepping" : session.queued ? `${session.queued} queued` : open ? `step ${session.frame_index ?? 0}` : "closed";
  const badge = h("span", { class: "session-badge" }, letter ?? "");
  badge.style.background = sessionColour(session.id);
  return h("li", { class: open ? "" : "closed" }, badge,
    h("button", { class: "session-name", onclick: () => showSession(session), title: session.prompt }, clip(sessionName(session), 42)),
    h("span", { class: "dim" }, busy),
    open ? h("button", { class: "button small quiet", onclick: () => closeSession(session) }, "Close")
      : h("button", { class: "button small quiet", onclick: () => reopenSession(session) }, "Reopen"));
}
