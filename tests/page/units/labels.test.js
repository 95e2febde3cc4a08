/** Words in the tree: none over another, nothing out of view that could be in it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { LETTER_WIDTH, placeLabels, easyFit, settled, together } from "../../../webapp/static/js/tree/labels.js";
import { layOut } from "../../../webapp/static/js/tree/layout.js";
import { node } from "./page.js";

/** A trunk of 30 steps with labels at some, and branches that leave it, one rewound half way and gone on. */
function forest() {
  const nodes = new Map();
  const add = (id, parent, step) => {
    nodes.set(id, node(id, parent, step, { label: step % 4 === 2 ? `label ${id}` : null }));
    nodes.get(parent)?.children.push(id);
    return id;
  };
  let last = add("r", null, 0);
  for (let step = 1; step <= 30; step += 1) last = add(`t${step}`, last, step);
  for (const at of [5, 5, 9, 20]) {
    let tip = `t${at}`;
    for (let step = at + 1; step < at + 12; step += 1) tip = add(`b${at}.${nodes.size}`, tip, step);
  }
  return nodes;
}

test("no two labels of a row overlap, and every branch has its name", () => {
  const nodes = forest();
  const stays = (one) => one.parent === null || one.children.length !== 1 || Boolean(one.label);
  const { items } = layOut(nodes, "r", stays, new Set());
  const worded = new Set(items.filter((item) => item.leaf || nodes.get(item.id).label).map((item) => item.id));
  const places = placeLabels(items, worded, (item) => nodes.get(item.id).frame_index);
  const rows = Map.groupBy(items.filter((item) => places.has(item.id)), (item) => `${item.row} ${places.get(item.id).dy}`);
  for (const row of rows.values()) {
    const spans = row.map((item) => ({ from: item.x + places.get(item.id).dx, room: places.get(item.id).room })).sort((a, b) => a.from - b.from);
    spans.slice(1).forEach((span, i) => assert.ok(spans[i].from + spans[i].room * LETTER_WIDTH <= span.from, JSON.stringify(spans)));
  }
  for (const item of items) if (item.leaf) assert.ok(places.get(item.id).room > 50);
});

test("a hundred sessions at one checkpoint are one label", () => {
  assert.equal(together(Array.from({ length: 100 }, (_, n) => `fork ${n}`)), "fork 0 +99");
  assert.deepEqual([together(["one"]), together([])], ["one", ""]);
});

test("a tree that is a little too long is drawn smaller, a long one is not", () => {
  assert.equal(easyFit(400, 1000, 26), 1);
  assert.equal(easyFit(1000, 1000, 26), 0.91);
  assert.equal(easyFit(2000, 1000, 26), 1);
});

test("what fits is seen whole; beside what does not fit there is no empty room", () => {
  assert.equal(settled(-300, 400, 1000, 26, 90), 26, "it fits: from the start");
  assert.equal(settled(500, 2000, 1000, 26, 90), 26, "no room before the root");
  assert.equal(settled(-5000, 2000, 1000, 26, 90), -1090, "no room after the last leaf");
  assert.equal(settled(-700, 2000, 1000, 26, 90), -700);
});
