/** Actions as CSV and JSON. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { actionsAsCsv, actionsOf } from "../../../../webapp/static/js/files/table.js";
import { node } from "../page.js";

const PATH = [node("r", null, 0), node("a", "r", 1, { actions: [[0.1, -1], [0.2, 1]], action_source: "given" })];

test("a line per action, with its step, frame and time", () => {
  const lines = actionsAsCsv(PATH, { names: ["=dx", "gr,ip"], perStep: 8, fps: 10 }).split("\r\n");
  assert.equal(lines[0], "step,frame,seconds,checkpoint,source,'=dx,\"gr,ip\"");
  assert.equal(lines[1], "1,4,0.4,a,given,0.1,-1");
  assert.equal(lines[2], "1,8,0.8,a,given,0.2,1");
});

test("what was exported can be pasted again; so can JSON in both forms and a bare table", () => {
  const wanted = [[0.1, -1], [0.2, 1]];
  for (const text of [actionsAsCsv(PATH, { names: ["dx", "grip"], perStep: 8, fps: 10 }), JSON.stringify(wanted), JSON.stringify([wanted]),
    "0.1,-1\n0.2, 1\n", "dx;grip\n0.1;-1\n0.2;1"]) assert.deepEqual(actionsOf(text, 2).value, wanted, text);
});

test("what cannot be read says what is wrong with it", () => {
  for (const [text, words] of [["", /Nothing/], ["[1, 2", /neither/], ["[[1]]", /Action 1 has 1 numbers/], ["1,x", /neither/],
    ["[[1, null]]", /needs 2/], ["1,2\n3", /Action 2/]]) {
    assert.match(actionsOf(text, 2).problem, words, text);
  }
});
