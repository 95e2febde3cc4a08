/** Actions that are drawn, pasted or driven. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { actionFor, keysFor } from "../../../../webapp/static/js/authoring/driving.js";
import { between, rested, resized } from "../../../../webapp/static/js/authoring/points.js";

const GEOMETRY = {
  action_dim: 4, action_horizon: 2, action_low: [-2, -2, 1, -1], action_high: [2, 2, 3, 1], action_names: ["dx", "dy", "dz", "grip"],
};

test("at rest each number is zero, or the nearest to it that is allowed", () => {
  assert.deepEqual(rested(GEOMETRY), [0, 0, 1, 0]);
  assert.deepEqual(rested({ ...GEOMETRY, action_low: [], action_high: [] }), [0, 0, 0, 0]);
});

test("more steps begin at rest, fewer cut off; what was there stays, as a copy", () => {
  const points = [[1], [2]];
  const longer = resized(points, 3, [0]);
  assert.deepEqual(longer, [[1], [2], [0]]);
  longer[0][0] = 9;
  assert.equal(points[0][0], 1);
  assert.deepEqual(resized(points, 1, [0]), [[1]]);
});

test("a stroke leaves no gap, in both directions", () => {
  assert.deepEqual(between([1, 0], [3, 1]), [[1, 0], [2, 0.5], [3, 1]]);
  assert.deepEqual(between([3, 1], [1, 0]), [[3, 1], [2, 0.5], [1, 0]]);
  assert.deepEqual(between([2, 5], [2, 7]), [[2, 7]]);
});

test("a key moves its dimension at half its limit for the whole step; the gripper is held until Space turns it over", () => {
  assert.deepEqual(actionFor("ArrowRight", GEOMETRY, 1), { held: 1, actions: [[1, 0, 1, 1], [1, 0, 1, 1]] });
  assert.deepEqual(actionFor("ArrowUp", GEOMETRY, -1).actions[0], [0, -1, 1, -1]);
  assert.deepEqual(actionFor(" ", GEOMETRY, 1), { held: -1, actions: [[0, 0, 1, -1], [0, 0, 1, -1]] });
  assert.equal(actionFor("x", GEOMETRY, 1), null);
  assert.equal(actionFor("ArrowRight", undefined, 1), null);
  assert.deepEqual(keysFor(GEOMETRY).map(({ name, keys }) => [name, keys.length]), [["dx", 2], ["dy", 2], ["dz", 2], ["grip", 1]]);
});

test("a discrete control is driven to its limit: half of it is none of its values", () => {
  const controls = [{ kind: "discrete" }, { kind: "continuous" }];
  const geometry = { action_dim: 2, action_horizon: 1, action_low: [0, -15], action_high: [1, 15], action_names: ["forward", "yaw"], controls };
  assert.deepEqual(actionFor("ArrowRight", geometry, 1).actions, [[1, 0]]);
  assert.deepEqual(actionFor("ArrowUp", geometry, 1).actions, [[0, -7.5]]);
});
