/** The order of branches in the grid. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { goodness, someUnsaid, sorted } from "../../../webapp/static/js/grid/sorting.js";
import { node } from "./page.js";

const ids = (list) => list.map((one) => one.id).join(" ");
const by = (nodes, how) => ids(sorted(nodes, { key: "score", reversed: false, unsaid: "higher", nameOf: (one) => one.label, ...how }));
const scored = [node("none", null, 3), node("mid", null, 1, { score: 0.5 }), node("big", null, 2, { score: 0.9 }),
  node("small", null, 4, { score: 0 })];

test("the best come first, whichever way is good, and what has no score comes last either way", () => {
  assert.equal(by(scored), "big mid small none");
  assert.equal(by(scored, { reversed: true }), "small mid big none");
  assert.equal(by(scored, { unsaid: "lower" }), "small mid big none");
  const errors = scored.map((one) => ({ ...one, score_better: "lower" }));
  assert.equal(by(errors), "small mid big none", "the score's own word counts, not the reader's");
  assert.equal(by(errors, { unsaid: "higher", reversed: true }), "big mid small none");
});

test("a score that does not say which way is good is noticed", () => {
  assert.equal(someUnsaid(scored), true);
  assert.equal(someUnsaid(scored.map((one) => ({ ...one, score_better: "higher" }))), false);
  assert.equal(someUnsaid([scored[0]]), false);
  assert.deepEqual([goodness(scored[0], "higher"), goodness(scored[2], "lower")], [null, -0.9]);
});

test("time, steps, name and seed", () => {
  const nodes = [node("a", null, 1, { created: 1, seed: 9, label: "Zed" }), node("b", null, 5, { created: 2, seed: null, label: "amy" }),
    node("c", null, 3, { created: 3, seed: 1, label: "Bob" })];
  assert.deepEqual(["newest", "steps", "name", "seed"].map((key) => by(nodes, { key })), ["c b a", "b c a", "b c a", "c a b"]);
  assert.deepEqual(["newest", "steps", "name", "seed"].map((key) => by(nodes, { key, reversed: true })), ["a b c", "a c b", "a c b", "a c b"]);
});
