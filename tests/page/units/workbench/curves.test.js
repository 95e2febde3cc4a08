/** The curves of the action plots, and the scale that can be looked at closer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { actionsAlong, rangeOf, sameLines, valueAt } from "../../../../webapp/static/js/compare/curves.js";
import { scale } from "../../../../webapp/static/js/compare/scale.js";
import { clock } from "../../../../webapp/static/js/state/clock.js";
import { node } from "../page.js";

const LINE = actionsAlong([node("r", null, 0), node("a", "r", 1, { actions: [[1, 0], [2, 0]] }),
  node("b", "a", 2, { actions: [[3, 5], [4, 5]] })], 8);

test("the actions of a step share its frames, and the value at a frame is that of the action that leads to it", () => {
  assert.deepEqual(LINE.map((point) => point.frame), [4, 8, 12, 16]);
  assert.deepEqual([0, 4, 5, 8, 9, 16, 17].map((frame) => valueAt(LINE, 0, frame)), [1, 1, 2, 2, 3, 4, null]);
  assert.equal(valueAt([], 0, 3), null);
});

test("lines that are the same from where the branches part stand together", () => {
  const other = LINE.map(({ frame, values: [a, b] }) => ({ frame, values: [frame > 8 ? a + 1 : a, b] }));
  assert.deepEqual(sameLines([LINE, other, LINE], 0, 8), [[0, 2], [1]]);
  assert.deepEqual(sameLines([LINE, other, LINE], 1, 8), [[0, 1, 2]]);
});

test("a range has room around its values, also where all are equal, and is finite without any", () => {
  const [low, high] = rangeOf([1, 3]);
  assert.ok(low < 1 && high > 3);
  assert.deepEqual(rangeOf([0, 0]), [-0.5, 0.5]);
  assert.deepEqual(rangeOf([]), [-1, 1]);
  assert.ok(rangeOf(Array.from({ length: 1_000_000 }, (_, i) => i))[1] > 999_999, "of a long run, too");
});

test("looking closer keeps what is under the pointer there, and never leaves the time there is", () => {
  clock.total = 101;
  scale.width = 52 + 18 + 100;
  assert.deepEqual([scale.x(0), scale.x(100), scale.frame(102)], [52, 152, 50]);
  scale.zoom(0.5, 102);
  assert.deepEqual([scale.view, scale.frame(102), scale.zoomed], [[25, 75], 50, true]);
  scale.pan(-60);
  assert.deepEqual(scale.view, [0, 50]);
  scale.zoom(10, 52);
  assert.deepEqual([scale.view, scale.zoomed], [[0, 100], false]);
  scale.show(60, 80);
  clock.total = 41;
  assert.deepEqual([scale.view, scale.zoomed], [[0, 40], false], "another branch ends before that part");
});
