/** The branches' parameters side by side; what differs stands out. */

import { equal, pairs } from "../state/comparison.js";
import { commonAncestor, lineage } from "../state/lineage.js";
import { LETTERS, on, state } from "../state/store.js";
import { badge } from "../ui/colours.js";
import { fill, h } from "../ui/dom.js";
import { bytes, clip, seconds, sessionName, short } from "../ui/format.js";

/** @import { Pane } from "../state/types.js" */

export function buildDiffTable() {
  const el = h("section", { class: "diff-table", "aria-label": "Parameters of the branches" });
  on(["panes", "branch", "sessions", "compare"], () => {
    el.hidden = !state.panes.length;
    const columns = state.panes.map(facts);
    const verdict = pairs().map(([a, b]) => equal(a, b)).join();
    if (state.panes.length) fill(el, JSON.stringify(columns) + verdict, () => build(columns));
  });
  return el;
}

/** What matters about one branch, as [name, value] rows in one order for all. @param {Pane} pane @returns {[string, string][]} */
function facts(pane) {
  const path = lineage(pane.nodeId);
  const node = path[path.length - 1];
  const session = state.sessions.get(pane.sessionId);
  const ancestor = state.panes.length > 1 ? commonAncestor(state.panes.map((other) => other.nodeId)) : null;
  const own = ancestor ? path.slice(ancestor.frame_index + 1) : path;
  const times = own.map((step) => step.wall_s).filter(Boolean);
  return [
    ["Session", sessionName(session)],
    ["Prompt", node?.prompt ?? ""],
    ["Seed", String(node?.seed ?? "–")],
    ["Actions", [...new Set(own.map((step) => step.action_source).filter(Boolean))].join(", ") || "–"],
    ["Forked at", session?.parent_checkpoint ? `step ${session.forked_at ?? "?"}` : "planted here"],
    ["Steps", String(node?.frame_index ?? 0)],
    ["Own bytes", bytes(d3.sum(own, (step) => step.bytes_new))],
    ["Shared bytes", bytes(d3.sum(path.slice(0, path.length - own.length), (step) => step.bytes_new))],
    ["Time per step", seconds(d3.mean(times))],
    ["Score", short(node?.score)],
    ["Status", node?.failed ? "failed" : session?.state === "closed" ? "closed" : "ok"],
  ];
}

/** @param {[string, string][][]} columns */
function build(columns) {
  const head = h("tr", {}, h("th", { scope: "col" }, "Branch"), ...columns.map((_, i) => h("th", { scope: "col" }, badge(LETTERS[i]))));
  const rows = columns[0].map(([name], r) => {
    const values = columns.map((column) => column[r][1]);
    const differs = new Set(values).size > 1;
    return h("tr", { class: differs ? "differs" : "" }, h("th", { scope: "row" }, name),
      ...values.map((value) => h("td", { title: value }, clip(value, 70))));
  });
  return [h("table", {}, h("caption", { class: "visually-hidden" }, "Parameters of the branches"), h("thead", {}, head), h("tbody", {}, ...rows))];
}
