/** Panes, selection, the comparison of panes, and the address that says it all. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { clock } from "../../../webapp/static/js/state/clock.js";
import { comparedFrame, divergenceFrame, divergences, equal, pairs, series } from "../../../webapp/static/js/state/comparison.js";
import { readLink, writeLink } from "../../../webapp/static/js/state/link.js";
import { close, followHead, jump, open, openAll, openBeside, setMode, startShow, swap } from "../../../webapp/static/js/state/panes.js";
import { openNode, select } from "../../../webapp/static/js/state/selection.js";
import { activeSession, letterOf, state } from "../../../webapp/static/js/state/store.js";
import { calm, node, plant } from "./page.js";

globalThis.location = { pathname: "/", search: "" };
beforeEach(() => {
  plant();
  calm(true);
  Object.assign(clock, { frame: 0, total: 1, playing: false, follow: false });
});
const shown = () => state.panes.map((pane) => pane.nodeId);
const compared = {
  ids: ["a3", "b3"], sessions: [], first_differing_video_frame: 11, equal: { "b3|a3": false },
  series_start: { frame_index: 2, video_frame: 9 }, series: { pixel: { "a3|b3": [0, null, 2.5] }, latent: { "a3|b3": [0, 0.3] }, action: {} },
};

test("a node opens with the session whose head it is, and follows it", () => {
  open("b3");
  assert.deepEqual(state.panes, [{ nodeId: "b3", sessionId: "ses_b", follows: true }]);
  open("a1");
  assert.deepEqual(state.panes, [{ nodeId: "a1", sessionId: "ses_a", follows: false }]);
  assert.equal(clock.total, 9);
});

test("a node that is another open session's head opens with that one", () => {
  state.sessions.get("ses_b").head = "a2";
  open("a2");
  assert.equal(state.panes[0].sessionId, "ses_b");
});

test("at most six panes; then the active one is replaced", () => {
  for (const id of ["a3", "b3", "a1", "r", "b2", "a2"]) openBeside(id);
  state.active = 1;
  openBeside("a2");
  assert.deepEqual(shown(), ["a3", "a2", "a1", "r", "b2", "a2"]);
  for (let n = 0; n < 4; n += 1) close(2);
  close(0);
  assert.deepEqual(shown(), ["a2"]);
  assert.equal(letterOf("ses_a"), "A");
  assert.equal(activeSession().id, "ses_a");
});

test("modes that compare need two panes, and end with the second", () => {
  open("a3");
  setMode("wipe");
  assert.equal(state.mode, "side");
  openBeside("b3");
  setMode("wipe");
  assert.equal(state.mode, "wipe");
  swap();
  assert.deepEqual(shown(), ["b3", "a3"]);
  close(1);
  assert.equal(state.mode, "side");
  close(0);
  assert.equal(state.panes.length, 1, "the last pane stays");
});

test("until the server has spoken, branches part after the last shared step", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "b3" }]);
  assert.equal(divergenceFrame(), 9);
  state.compare = compared;
  assert.equal(divergenceFrame(), 11);
  state.compare = { ...compared, first_differing_video_frame: null };
  assert.equal(divergenceFrame(), null);
});

test("series and equality of a pair are found in either order", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "b3" }]);
  state.compare = compared;
  assert.deepEqual(series("pixel", 1, 0), { start: 9, values: [0, null, 2.5] });
  assert.deepEqual(series("latent", 0, 1), { start: 2, values: [0, 0.3] });
  assert.equal(series("action", 0, 1), null);
  assert.equal(equal(0, 1), false);
  assert.equal(equal(1, 1), true);
  assert.deepEqual(pairs(), [[0, 1]]);
  assert.deepEqual(divergences(), [11]);
});

test("branches of different lengths are compared at equal frames, and the one that ended is named", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "a1" }]);
  assert.deepEqual(comparedFrame(7), { frame: 7, ended: null, last: 8 });
  assert.deepEqual(comparedFrame(20), { frame: 8, ended: 1, last: 8 });
  swap();
  assert.deepEqual(comparedFrame(20), { frame: 8, ended: 0, last: 8 });
});

test("[ and ] jump between divergences and stay at the ends", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "b3" }, { nodeId: "a2" }]);
  state.compare = { ...compared, ids: ["a3", "b3", "a2"], first_differing_video_frame: 9,
    series: { ...compared.series, pixel: { "a3|b3": [0, 0, 1] } } };
  assert.deepEqual(divergences(), [9, 11]);
  const seen = [1, 1, 1, -1, -1].map((direction) => { jump(direction); return clock.frame; });
  assert.deepEqual(seen, [9, 11, 11, 9, 9]);
});

test("the show begins at the divergence; with less motion it stands there", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "b3" }]);
  startShow();
  assert.deepEqual([clock.frame, clock.playing], [9, false]);
  calm(false);
  startShow();
  assert.deepEqual([clock.frame, clock.playing], [9, true]);
  clock.playing = false;
});

test("End follows every pane's session again", () => {
  openAll([{ nodeId: "a1", sessionId: "ses_a" }, { nodeId: "b2", sessionId: "ses_b" }]);
  followHead();
  assert.deepEqual(shown(), ["a3", "b3"]);
  assert.deepEqual([clock.frame, clock.follow], [24, true]);
});

test("choosing a node goes to its frame in a pane that shows it, the active one first", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "b3" }]);
  select("a1");
  assert.deepEqual([state.active, clock.frame], [0, 8]);
  select("b2");
  assert.deepEqual([state.active, clock.frame], [1, 16]);
  state.nodes.set("c2", node("c2", "a1", 2));
  select("c2");
  assert.deepEqual([state.selected, state.active, clock.frame], ["c2", 1, 16]);
  openNode("c2");
  assert.deepEqual(shown(), ["a3", "c2"]);
  select("nowhere");
  assert.equal(state.selected, "c2");
});

test("an address brings back what it was made of", () => {
  openAll([{ nodeId: "a3" }, { nodeId: "a1", sessionId: "ses_b" }]);
  setMode("diff");
  clock.frame = 12;
  const link = writeLink();
  assert.equal(link, "?session=ses_a&panes=a3,a1@ses_b&frame=12&mode=diff");
  assert.deepEqual(readLink(link), { session: "ses_a", frame: 12, mode: "diff", view: null, play: false, evaluation: null, node: null,
    panes: [{ nodeId: "a3", sessionId: undefined }, { nodeId: "a1", sessionId: "ses_b" }] });
});

test("an address with nonsense says nothing", () => {
  assert.deepEqual(readLink("?frame=-1&mode=x&panes=,"), {
    session: null, frame: null, mode: null, view: null, play: false, panes: [], evaluation: null, node: null });
  assert.equal(writeLink(), "/");
});
