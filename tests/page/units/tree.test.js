/** The tree's layout, the walk by keys and the search. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { state } from "../../../webapp/static/js/state/store.js";
import { COLUMN, layOut } from "../../../webapp/static/js/tree/layout.js";
import { search } from "../../../webapp/static/js/tree/search.js";
import { neighbour } from "../../../webapp/static/js/tree/walk.js";
import { node, plant } from "./page.js";

beforeEach(plant);

/** Ends and forks stay, as in the tree. */
const stays = (one) => one.parent === null || one.children.length !== 1;

function grow(id, parent, more = {}) {
  state.nodes.set(id, node(id, parent, state.nodes.get(parent).frame_index + 1, more));
  state.nodes.get(parent).children.push(id);
}

const drawn = (layout) => layout.items.map((item) => [item.id, item.row, item.run?.length ?? 0]);

test("the oldest child goes straight on, later ones open rows below", () => {
  const layout = layOut(state.nodes, "r", stays, new Set());
  assert.deepEqual(drawn(layout), [["r", 0, 0], ["a1", 0, 0], ["a2", 0, 0], ["a3", 0, 0], ["b2", 1, 0], ["b3", 1, 0]]);
  assert.equal(layout.rows, 2);
  assert.equal(layout.byNode.get("b2").from.id, "a1");
  assert.equal(layout.byNode.get("a2").x, 2 * COLUMN);
  assert.equal(layout.byNode.get("b3").own, layout.byNode.get("b2").x, "a branch's stretch begins where it leaves");
});

test("three plain nodes fold into one, and unfold", () => {
  for (const [id, parent] of [["a4", "a3"], ["a5", "a4"]]) grow(id, parent);
  const folded = layOut(state.nodes, "r", stays, new Set());
  assert.deepEqual(drawn(folded), [["r", 0, 0], ["a1", 0, 0], ["a2", 0, 3], ["a5", 0, 0], ["b2", 1, 0], ["b3", 1, 0]]);
  assert.equal(folded.byNode.get("a4"), folded.byNode.get("a2"));
  const unfolded = layOut(state.nodes, "r", stays, new Set(["a2", "a3", "a4"]));
  assert.equal(unfolded.items.length, 8);
  const marked = layOut(state.nodes, "r", (one) => stays(one) || one.id === "a3", new Set());
  assert.equal(marked.items.length, 8, "two plain nodes do not fold");
});

test("a branch of a branch lies below the whole of what is older", () => {
  grow("a3x", "a2");
  const rows = Object.fromEntries(drawn(layOut(state.nodes, "r", stays, new Set())));
  assert.deepEqual([rows.a3, rows.a3x, rows.b2], [0, 1, 2]);
});

test("20,000 nodes in one row need no stack", () => {
  let last = "a3";
  for (let n = 0; n < 20_000; n += 1) {
    grow(`n${n}`, last);
    last = `n${n}`;
  }
  assert.equal(layOut(state.nodes, "r", stays, new Set()).items.find((item) => item.run).run.length, 20_001);
});

test("arrows walk along rows and between them", () => {
  const layout = layOut(state.nodes, "r", stays, new Set());
  const from = (id, key) => neighbour(layout, layout.byNode.get(id), key)?.id ?? null;
  assert.equal(from("a1", "ArrowRight"), "a2");
  assert.equal(from("a1", "ArrowLeft"), "r");
  assert.equal(from("r", "ArrowLeft"), null);
  assert.equal(from("a3", "ArrowDown"), "b3");
  assert.equal(from("b2", "ArrowUp"), "a2");
  assert.equal(from("b2", "ArrowDown"), null);
  assert.equal(from("b3", "Home"), "r");
  assert.equal(from("r", "End"), "a3");
});

test("the search needs all words, in prompt, label, id, session, seed or state", () => {
  state.sessions.get("ses_b").label = "Left hand";
  Object.assign(state.nodes.get("b3"), { failed: true, label: "Good grasp", seed: 42 });
  const found = (query) => [...search(query)];
  assert.deepEqual(found("left HAND"), ["b2", "b3"]);
  assert.deepEqual(found("grasp failed"), ["b3"]);
  assert.deepEqual(found("seed 42"), ["b3"]);
  assert.deepEqual(found("grasp pinned"), []);
  assert.deepEqual(found("step 3"), ["a3", "b3"]);
  assert.deepEqual(found("  "), []);
});
