/** Deep links: session, panes, frame and mode stand in the address, so that a view can be sent to somebody. */

import { clock } from "./clock.js";
import { on, state } from "./store.js";

/** @import { Mode, View } from "./types.js" */

const MODES = /** @type {Mode[]} */ (["side", "wipe", "blink", "diff"]);
const VIEWS = /** @type {View[]} */ (["videos", "grid", "evaluations"]);
const PAUSE_MS = 300;
let timer = 0;

/** What the address asks for; null: nothing is said. */
export function readLink(search = location.search) {
  const query = new URLSearchParams(search);
  const frame = query.get("frame");
  const panes = (query.get("panes") ?? "").split(",").filter(Boolean).map((word) => {
    const [nodeId, sessionId] = word.split("@");
    return { nodeId, sessionId };
  });
  return {
    session: query.get("session"), panes, node: query.get("node"),
    evaluation: query.get("evaluation"), mode: MODES.find((mode) => mode === query.get("mode")) ?? null,
    view: VIEWS.find((view) => view === query.get("view")) ?? null,
    frame: frame !== null && /^\d+$/.test(frame) ? Number(frame) : null, play: query.get("play") === "1",
  };
}

/** The address of what is on screen. */
export function writeLink() {
  const query = new URLSearchParams();
  const session = state.panes[state.active]?.sessionId;
  if (session) query.set("session", session);
  const panes = state.panes.map((pane) => {
    const maker = state.nodes.get(pane.nodeId)?.session_id;
    return maker === pane.sessionId ? pane.nodeId : `${pane.nodeId}@${pane.sessionId}`;
  });
  if (panes.length) query.set("panes", panes.join(","));
  if (!clock.playing && !clock.follow && panes.length) query.set("frame", String(clock.frame));
  if (panes.length) query.set("mode", state.mode);
  if (state.selected && panes.length && state.selected !== state.panes[state.active]?.nodeId) query.set("node", state.selected);
  if (state.view !== "videos") query.set("view", state.view);
  if (state.view === "evaluations" && state.evaluation) query.set("evaluation", state.evaluation);
  return query.size ? `?${query.toString().replaceAll("%2C", ",").replaceAll("%40", "@")}` : location.pathname;
}

/** What a step back returns to: panes that follow their session are that session's, whatever its head is by now. */
function place() {
  const panes = state.panes.map((pane) => (pane.follows ? pane.sessionId : `${pane.nodeId}@${pane.sessionId}`));
  return [state.treeId, ...panes, state.mode, state.view, state.view === "evaluations" && state.evaluation].join();
}

let placeSeen = "";

/**
 * Keep the address up to date, not more often than a browser likes: other branches or another way to look at them are a step
 * that Back returns from; another frame is none. A link that leads nowhere stays as it is.
 * @param {(link: ReturnType<typeof readLink>) => unknown} show
 */
export function watchLink(show) {
  const write = () => {
    if (!state.panes.length && state.view !== "evaluations") return;
    const link = writeLink();
    const here = place();
    if (link !== location.search) history[placeSeen && here !== placeSeen ? "pushState" : "replaceState"](null, "", link);
    placeSeen = here;
  };
  let begun = false;
  const later = () => {
    if (!begun && state.panes.length) { // where one came in is what the first Back returns to
      begun = true;
      placeSeen = place();
    }
    clearTimeout(timer);
    timer = setTimeout(write, PAUSE_MS);
  };
  on(["panes", "mode", "view", "play", "selection"], later);
  on(["frame"], () => { if (!clock.playing) later(); });
  addEventListener("popstate", () => {
    clearTimeout(timer);
    placeSeen = "";
    show(readLink());
  });
}
