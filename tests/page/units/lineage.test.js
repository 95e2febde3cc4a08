/** Lineages, and which node holds which frame. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  checkpointAt, commonAncestor, framesPerStep, isOnLineage, lastFrame, leaves, lineage, locate, totalFrames,
} from "../../../webapp/static/js/state/lineage.js";
import { branchNames } from "../../../webapp/static/js/lists/names.js";
import { state } from "../../../webapp/static/js/state/store.js";
import { node, plant } from "./page.js";

beforeEach(plant);
const ids = (nodes) => nodes.map((one) => one.id);

test("a lineage runs from the root to the node and shows changed nodes", () => {
  assert.deepEqual(ids(lineage("b3")), ["r", "a1", "b2", "b3"]);
  state.nodes.set("a1", { ...state.nodes.get("a1"), label: "grasp" });
  assert.equal(lineage("b3")[1].label, "grasp");
  assert.deepEqual(lineage("nowhere"), []);
});

test("a lineage that is not complete yet is not kept", () => {
  state.nodes.delete("a1");
  assert.deepEqual(ids(lineage("b3")), ["b2", "b3"]);
  state.nodes.set("a1", node("a1", "r", 1));
  assert.deepEqual(ids(lineage("b3")), ["r", "a1", "b2", "b3"]);
});

test("frames belong to the node of their step, later ones to the end", () => {
  const place = (frame) => [locate("b3", frame).node.id, locate("b3", frame).index];
  assert.deepEqual([0, 1, 8, 9, 24].map(place), [["r", 0], ["a1", 0], ["a1", 7], ["b2", 0], ["b3", 7]]);
  assert.equal(locate("b3", 400).node.id, "b3");
  assert.equal(totalFrames("b3"), 25);
  assert.equal(totalFrames("nowhere"), 0);
  assert.equal(lastFrame(state.nodes.get("b2")), 16);
  assert.deepEqual([0, 7, 8, 20, 400].map((frame) => checkpointAt("b3", frame).id), ["r", "r", "a1", "b2", "b3"]);
});

test("branches have their deepest shared node in common", () => {
  assert.equal(commonAncestor(["a3", "b3"]).id, "a1");
  assert.equal(commonAncestor(["a3", "a2"]).id, "a2");
  assert.equal(commonAncestor(["a3", "nowhere"]), null);
  assert.ok(isOnLineage(state.nodes.get("a1"), "b3"));
  assert.ok(!isOnLineage(state.nodes.get("a2"), "b3"));
});

test("the number of frames per step is the model's, else that of a node", () => {
  state.model = null;
  for (const one of state.nodes.values()) one.n_frames = one.frame_index ? 24 : 1;
  assert.equal(framesPerStep(), 24);
});

test("branches are named by label, session, or both where a session has several", () => {
  assert.deepEqual(ids(leaves()), ["a3", "b3"]);
  const named = () => leaves().map(branchNames());
  assert.deepEqual(named(), ["push", "push"]);
  state.sessions.get("ses_a").label = "first";
  assert.deepEqual(named(), ["first", "push"]);
  state.nodes.get("b3").label = "good";
  state.nodes.set("a4", node("a4", "a1", 2, { prompt: "lift" }));
  state.treeVersion += 1;
  assert.deepEqual(named(), ["first · push", "good", "first · lift"]);
  state.nodes.get("a4").model_settings = { steps: 8, guidance: 2 };
  assert.equal(named()[2], "first · lift · guidance=2, steps=8");
});
