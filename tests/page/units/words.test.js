/** Words and numbers as the page shows them, and who hears of changes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { emit, flushTimes, on, touch } from "../../../webapp/static/js/state/store.js";
import { bytes, clip, count, seconds, sessionName, short, shortId, slug } from "../../../webapp/static/js/ui/format.js";
import { plant, session, tick } from "./page.js";

test("bytes", () => {
  assert.deepEqual([0, 999, 1536, 12_345, 123_456_789, 1e15, null].map(bytes), ["0 B", "999 B", "1.5 kB", "12.3 kB", "123 MB", "1000 TB", "–"]);
});

test("seconds", () => {
  assert.deepEqual([0.123, 1.25, 12.4, 185, undefined].map(seconds), ["0.12 s", "1.3 s", "12 s", "3:05 min", "–"]);
});

test("a minute is never written as 60 seconds", () => {
  assert.deepEqual([59.7, 119.8].map(seconds), ["1:00 min", "2:00 min"]);
});

test("names of files", () => {
  assert.deepEqual(["push the cup", " a/b\\c: d? ", "größer 2", "…", "x".repeat(70)].map(slug),
    ["push-the-cup", "a-b-c-d", "größer-2", "clip", "x".repeat(60)]);
});

test("numbers and counts", () => {
  assert.deepEqual([0, 0.12345, 1234.5, 1.5e-9, null].map((n) => short(n)), ["0", "0.123", "1230", "1.5e-9", "–"]);
  assert.deepEqual([count(1, "step"), count(2, "step"), count(0, "branch", "branches")], ["1 step", "2 steps", "0 branches"]);
});

test("names and ids", () => {
  assert.equal(shortId("ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"), "ckp_…0y2z4");
  assert.equal(clip("pick up the cup", 8), "pick up…");
  assert.equal(sessionName(session("ses_1", null, { label: "left" })), "left");
  assert.equal(sessionName(session("ses_1", null)), "push");
  assert.equal(sessionName(null), "–");
});

test("changes are told once per frame of the screen, however many there were", () => {
  plant();
  const heard = [];
  on(["jobs", "workers"], () => heard.push("both"));
  on(["workers"], () => heard.push("workers"));
  touch("workers", "jobs");
  touch("jobs");
  assert.deepEqual(heard, []);
  tick();
  assert.deepEqual(heard, ["both", "workers"]);
  tick();
  assert.equal(heard.length, 2);
  emit("jobs");
  assert.equal(heard.length, 3);
  assert.ok(flushTimes.length > 0);
});
