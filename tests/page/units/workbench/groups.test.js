/** Branches in groups, within bounds, and where their scores stand. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { grouped, isWithin, placesOf } from "../../../../webapp/static/js/grid/groups.js";
import { node, session } from "../page.js";

const SESSIONS = new Map([["ses_a", session("ses_a", "a", { forked_at: 4 })]]);

test("groups keep the order of their first branch and say how many failed and the mean score", () => {
  const nodes = [node("a", "r", 1, { prompt: "push", score: 2 }), node("b", "r", 1, { prompt: "pull", failed: true }),
    node("c", "r", 1, { prompt: "push", score: 4 })];
  const groups = grouped(nodes, "prompt", SESSIONS);
  assert.deepEqual(groups.map(({ name, nodes: own, failed, mean }) => [name, own.length, failed, mean]), [["push", 2, 0, 3], ["pull", 1, 1, null]]);
  assert.deepEqual(grouped(nodes, "fork", SESSIONS).map(({ name }) => name), ["forked at step 4"]);
  assert.deepEqual(grouped([node("d", "r", 1, { tags: ["slip", "left"] })], "tags", SESSIONS).map(({ name }) => name), ["left, slip"]);
});

test("bounds leave out what has no score or another seed", () => {
  const scored = node("a", "r", 1, { score: 0.5, seed: 3 });
  assert.ok(isWithin(scored, { low: 0.5, high: null, seeds: new Set([3]) }));
  assert.ok(!isWithin(scored, { low: null, high: 0.4, seeds: null }));
  assert.ok(!isWithin(scored, { low: null, high: null, seeds: new Set([4]) }));
  assert.ok(!isWithin(node("b", "r", 1), { low: 0, high: null, seeds: null }));
  assert.ok(isWithin(node("b", "r", 1), { low: null, high: null, seeds: null }));
});

test("a score stands between the worst and the best, whichever way is good", () => {
  const nodes = [1, 2, 3].map((score) => node(`n${score}`, "r", 1, { score }));
  assert.deepEqual(nodes.map(placesOf(nodes, "higher")), [0, 0.5, 1]);
  assert.deepEqual(nodes.map(placesOf(nodes, "lower")), [1, 0.5, 0]);
  assert.equal(placesOf(nodes, "lower")(node("x", "r", 1)), null);
});
