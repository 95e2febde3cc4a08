/** Jobs and sessions in lists. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { putJob } from "../../../webapp/static/js/state/events.js";
import { load, loadInWords, rowsOf } from "../../../webapp/static/js/lists/queue.js";
import { planters, sessionsOf } from "../../../webapp/static/js/lists/sessions.js";
import { state } from "../../../webapp/static/js/state/store.js";
import { plant, session } from "./page.js";

beforeEach(plant);
const job = (id, now, created, more = {}) => ({ id, state: now, created, kind: "step", session_id: "ses_a", bulk: false, params: {},
  progress: { done: 0, total: 4 }, ...more });
const ids = (rows) => rows.map((row) => row.id).join(" ");

test("what runs comes first, then what waits in its order, then what has ended, the newest first", () => {
  const jobs = [job("old", "succeeded", 1), job("second", "queued", 7), job("first", "queued", 5), job("now", "running", 2),
    job("new", "cancelled", 6)];
  assert.equal(ids(rowsOf(jobs, state.sessions, new Map(), 60)), "now first second new old");
  assert.equal(ids(rowsOf(jobs, state.sessions, new Map(), 2)), "now first");
  assert.deepEqual(load(jobs), { running: 1, queued: 2 });
  assert.equal(loadInWords(jobs), "1 running · 2 queued");
  assert.equal(loadInWords([]), "");
});

test("a bulk run is one row with one progress, runs on one checkpoint apart by their time", () => {
  const bulk = (id, now, created, done) => job(id, now, created, { bulk: true, kind: "fork", session_id: `ses_${id}`,
    params: { checkpoint_id: "a1" }, progress: { done, total: 4 } });
  const jobs = [bulk("a", "succeeded", 10, 4), bulk("b", "running", 11, 2), bulk("c", "queued", 12, 0), bulk("later", "failed", 500, 1),
    job("own", "queued", 9)];
  const rows = rowsOf(jobs, state.sessions, new Map(), 60);
  assert.equal(ids(rows), "run-a own run-later");
  const { run } = rows[0];
  assert.deepEqual([run.jobs.length, run.state, run.done, run.total, run.over, run.failed], [3, "running", 6, 12, 1, 0]);
  assert.deepEqual([rows[2].run.state, rows[2].run.failed], ["failed", 1]);
});

test("all that run or wait are kept, however many, beside the latest that have ended", () => {
  for (let n = 0; n < 260; n += 1) putJob(job(`wait${n}`, "queued", n), { told: true });
  for (let n = 0; n < 260; n += 1) putJob(job(`done${n}`, "succeeded", n), { told: true });
  assert.deepEqual([state.jobs.size, load(state.jobs.values()).queued], [460, 260]);
  assert.ok(!state.jobs.has("done59") && state.jobs.has("done60"));
});

test("sessions are found by words, kinds apart, open ones first", () => {
  const all = [session("one", "x", { created: 1, label: "grasp", prompt: "pick", seed: 7 }),
    session("two", "x", { created: 2, state: "closed", prompt: "push" }), session("three", "x", { created: 3, prompt: "push it" }),
    session("bulk", "x", { created: 4, bulk: true, tree_id: "t2" })];
  assert.equal(ids(sessionsOf(all, "all", "")), "three one two");
  assert.equal(ids(sessionsOf(all, "all", "push")), "three two");
  assert.equal(ids(sessionsOf(all, "closed", "")), "two");
  assert.equal(ids(sessionsOf(all, "open", "GRASP seed 7")), "one");
  assert.equal(ids(sessionsOf(all, "bulk", "")), "bulk");
  assert.equal(ids(sessionsOf(all, "trees", "")), "bulk one");
  assert.equal(ids(planters(all)), "one bulk");
});
