/** What events and answers do to the state. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  apply, expectTree, forgetTree, giveUpTree, putBeside, putJob, putNode, putSession, putTree,
} from "../../../webapp/static/js/state/events.js";
import { cameToNothing, isOver } from "../../../webapp/static/js/state/jobs.js";
import { delays, liveAt, paneTotal, putLive } from "../../../webapp/static/js/state/live.js";
import { state } from "../../../webapp/static/js/state/store.js";
import { node, plant, session } from "./page.js";

const pane = { nodeId: "a3", sessionId: "ses_a", follows: true };
const bitmap = () => ({ closed: 0, close() { this.closed += 1; } });
const job = (state_, more = {}) => ({ id: "job_1", kind: "step", session_id: "ses_a", state: state_, created: 1, ...more });
beforeEach(() => {
  plant();
  state.panes = [{ ...pane }];
});

test("a committed node becomes its session's head, and panes that follow go along", () => {
  apply({ kind: "node.committed", data: node("a4", "a3", 4) });
  assert.equal(state.sessions.get("ses_a").head, "a4");
  assert.equal(state.sessions.get("ses_a").frame_index, 4);
  assert.deepEqual(state.nodes.get("a3").children, ["a4"]);
  assert.equal(state.panes[0].nodeId, "a4");
});

test("a node elsewhere moves nobody's head, and another tree's node is not taken in", () => {
  apply({ kind: "node.committed", data: node("a2x", "a1", 2) });
  assert.equal(state.sessions.get("ses_a").head, "a3");
  apply({ kind: "node.committed", data: node("z", null, 0, { tree_id: "z" }) });
  assert.equal(state.nodes.has("z"), false);
});

test("what is told of a node keeps its children", () => {
  apply({ kind: "node.durable", data: node("a1", "r", 1, { durability: "damaged" }) });
  assert.deepEqual(state.nodes.get("a1").children, ["a2", "b2"]);
  assert.equal(state.nodes.get("a1").durability, "damaged");
});

test("nothing stays of a tree that was deleted; of one beside the others only its own panes close", () => {
  putJob(job("succeeded"));
  const other = session("ses_z", "z", { tree_id: "z" });
  putBeside({ tree_id: "z", nodes: [node("z", null, 0, { tree_id: "z", session_id: "ses_z" })], sessions: [other] });
  state.panes.push({ nodeId: "z", sessionId: "ses_z", follows: true });
  apply({ kind: "tree.deleted", data: { id: "z" } });
  assert.deepEqual(state.panes.map(({ nodeId }) => nodeId), ["a3"]);
  assert.deepEqual([state.nodes.has("z"), state.sessions.has("ses_z"), state.treeId, state.jobs.size], [false, false, "r", 1]);
  state.sessions.set("ses_z", other);
  forgetTree("r");
  assert.deepEqual([state.treeStatus, state.treeId, state.panes, state.nodes.size, state.jobs.size], ["deleted", null, [], 0, 0]);
  forgetTree("r"); // told by the event and by the answer
  assert.deepEqual([state.treeStatus, [...state.sessions.keys()]], ["deleted", ["ses_z"]]);
});

test("an answer never takes a job or a session back, an event may", () => {
  putJob(job("succeeded"), { told: true });
  putJob(job("running"));
  assert.equal(state.jobs.get("job_1").state, "succeeded");
  putSession(session("ses_a", "a3", { updated: 5, label: "new" }));
  putSession(session("ses_a", "a1", { updated: 4, label: "old" }));
  assert.equal(state.sessions.get("ses_a").label, "new");
});

test("a running job is its session's, until it is over; a clip's job is nobody's", () => {
  putJob(job("running"), { told: true });
  assert.equal(state.sessions.get("ses_a").running_job, "job_1");
  putJob(job("succeeded"), { told: true });
  assert.equal(state.sessions.get("ses_a").running_job, null);
  putJob(job("running", { kind: "video", id: "job_2" }), { told: true });
  assert.equal(state.sessions.get("ses_a").running_job, null);
});

test("jobs beyond 200 go, the oldest that is over first", () => {
  putJob(job("running"), { told: true });
  for (let n = 0; n < 205; n += 1) putJob(job("failed", { id: `job_x${n}` }), { told: true });
  assert.equal(state.jobs.size, 201);
  assert.ok(state.jobs.has("job_1"));
  assert.ok(!state.jobs.has("job_x0"));
});

test("over and come to nothing", () => {
  const are = (rule) => ["queued", "running", "succeeded", "failed", "cancelled"].filter((one) => rule(job(one)));
  assert.deepEqual(are(isOver), ["succeeded", "failed", "cancelled"]);
  assert.deepEqual(are(cameToNothing), ["failed", "cancelled"]);
});

test("nodes that come while a tree is read are not lost", () => {
  expectTree();
  putNode(node("a4", "a3", 4), { committed: true });
  const nodes = [node("r", null, 0), node("a1", "r", 1), node("a2", "a1", 2), node("a3", "a2", 3)];
  putTree({ tree_id: "r", nodes, sessions: [session("ses_a", "a3")] });
  assert.deepEqual([...state.nodes.keys()], ["r", "a1", "a2", "a3", "a4"]);
  assert.deepEqual(state.nodes.get("a3").children, ["a4"]);
  assert.equal(state.treeStatus, "ready");
  giveUpTree();
});

test("a worker that is down stays listed", () => {
  apply({ kind: "worker.up", data: { name: "gpu.0", state: "idle", device: "cuda:0" } });
  apply({ kind: "worker.down", data: { name: "gpu.0" } });
  assert.deepEqual(state.workers.get("gpu.0"), { name: "gpu.0", state: "down", device: "cuda:0" });
});

test("live frames lengthen a pane that follows, and go when their step fails", () => {
  putJob(job("running"), { told: true });
  const pictures = [bitmap(), bitmap(), bitmap()];
  pictures.forEach((picture, i) => putLive("ses_a", 25 + 2 * i, picture, Date.now()));
  assert.equal(delays.arrived.length, 3);
  assert.equal(paneTotal(state.panes[0]), 30);
  assert.equal(paneTotal({ ...pane, follows: false }), 25);
  assert.equal(liveAt(state.panes[0], 28, 25).bitmap, pictures[1]);
  assert.equal(liveAt(state.panes[0], 24, 20), null);
  putJob(job("failed"), { told: true });
  assert.equal(paneTotal(state.panes[0]), 25);
  assert.deepEqual(pictures.map((picture) => picture.closed), [1, 1, 1]);
});

for (const [words, end] of [
  ["is cancelled", () => putJob(job("cancelled"), { told: true })],
  ["is queued again", () => putJob(job("queued"), { told: true })],
  ["has a session that is closed", () => putSession(session("ses_a", "a3", { state: "closed", frame_index: 3, updated: 9 }))],
]) {
  test(`no live frame of a step that ${words} stays, nor of one that comes later`, () => {
    state.sessions.get("ses_a").frame_index = 3;
    putJob(job("running"), { told: true });
    const [early, late] = [bitmap(), bitmap()];
    putLive("ses_a", 25, early, Date.now());
    assert.equal(paneTotal(state.panes[0]), 26);
    end();
    assert.equal(paneTotal(state.panes[0]), 25);
    putLive("ses_a", 32, late, Date.now());
    assert.equal(paneTotal(state.panes[0]), 25);
    assert.deepEqual([early.closed, late.closed], [1, 1]);
  });
}

test("after a rewind no live frame of the old way stands in for the new", () => {
  state.sessions.get("ses_a").frame_index = 3;
  putJob(job("running"), { told: true });
  putLive("ses_a", 20, bitmap(), Date.now());
  assert.ok(liveAt(state.panes[0], 20, 20));
  putSession(session("ses_a", "a1", { frame_index: 1, updated: 9, running_job: "job_1" }));
  assert.equal(liveAt(state.panes[0], 20, 20), null);
});

test("a live frame that is sent again takes the older one's place", () => {
  state.sessions.get("ses_b").running_job = "job_2";
  const [older, newer] = [bitmap(), bitmap()];
  putLive("ses_b", 25, older, Date.now());
  putLive("ses_b", 25, newer, Date.now());
  assert.deepEqual([older.closed, newer.closed], [1, 0]);
});
