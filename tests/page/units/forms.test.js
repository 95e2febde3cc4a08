/** What may be typed, what is said about what may not, and whom the controls act on. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { placeOf, nameOf } from "../../../webapp/static/js/controls/subject-words.js";
import { meaning, wayOut } from "../../../webapp/static/js/net/words.js";
import { putNode, putSession } from "../../../webapp/static/js/state/events.js";
import { followHead, open, openBeside } from "../../../webapp/static/js/state/panes.js";
import { select } from "../../../webapp/static/js/state/selection.js";
import { state } from "../../../webapp/static/js/state/store.js";
import { subject } from "../../../webapp/static/js/state/subject.js";
import { remember, undo } from "../../../webapp/static/js/state/undo.js";
import { promptWords, scoreOf, wholeNumber } from "../../../webapp/static/js/ui/checks.js";
import { draftOf, keepDraft } from "../../../webapp/static/js/ui/draft-form.js";
import { middle } from "../../../webapp/static/js/ui/pictures.js";
import { node, plant, session } from "./page.js";

beforeEach(plant);
const seed = { name: "The seed", min: 0, max: 2147483647 };

test("nothing is repaired in silence: a number is one, or what is wrong is said", () => {
  assert.deepEqual(wholeNumber(" 42 ", seed), { value: 42, problem: "" });
  for (const words of ["1.9", "-1", "abc", "2147483648", "1e99"]) {
    assert.equal(wholeNumber(words, seed).problem, `The seed must be a whole number from 0 to 2,147,483,647, not ${words}.`);
  }
  assert.match(wholeNumber("", seed).problem, /whole number/);
  assert.deepEqual(wholeNumber("", { ...seed, optional: true }), { value: undefined, problem: "" });
  assert.equal(wholeNumber("0", { name: "Steps", min: 1, max: 1000 }).problem, "Steps must be a whole number from 1 to 1,000, not 0.");
});

test("a prompt is neither cut nor taken from before", () => {
  assert.deepEqual(promptWords("  push  ", 2000), { value: "push", problem: "" });
  assert.match(promptWords("   ", 2000).problem, /empty/);
  assert.equal(promptWords("x".repeat(3000), 2000).problem, "The prompt has 3,000 characters; at most 2,000 are accepted.");
});

test("a score is a number or nothing", () => {
  assert.deepEqual([scoreOf("0,8").value, scoreOf("").value, scoreOf("-2").value], [0.8, null, -2]);
  assert.match(scoreOf("good").problem, /number/);
});

test("hints for programs are not shown to readers", () => {
  assert.match(wayOut("SessionLimitReached", "Close a session (DELETE /api/sessions/{id}) or raise max_open_sessions."), /^Close a session/);
  assert.doesNotMatch(wayOut("SessionLimitReached", ""), /api/);
  assert.equal(wayOut("X", "Try again in a moment; see /api/workers."), "Try again in a moment;");
  assert.equal(wayOut("X", "GET /api/sessions lists the sessions."), "");
  assert.equal(wayOut(undefined, undefined), "");
  assert.equal(meaning("Value should have at least 1 item after validation"), "is empty");
  assert.equal(meaning("should be less than or equal to 7"), "must be at most 7");
  assert.equal(meaning("is odd"), "is odd");
});

test("one subject: the chosen checkpoint, in the session that is looked at", () => {
  open("a3");
  assert.deepEqual([subject().session.id, subject().atHead, subject().letter], ["ses_a", true, "A"]);
  select("a1");
  assert.deepEqual([subject().node.id, subject().session.id, subject().atHead, subject().canRewind], ["a1", "ses_a", false, true]);
  assert.equal(placeOf({ ...subject(), session: { ...subject().session, frame_index: 3 } }), "2 steps before the head");
  select("b3");
  assert.deepEqual([subject().session.id, subject().atHead, subject().letter], ["ses_b", true, ""], "a node in no pane is its own session's");
  openBeside("b3");
  assert.equal(nameOf(subject()), "B · push");
});

test("a fork that has not moved yet is its own subject, not its trunk's head", () => {
  open("a3");
  putSession(session("ses_f", "a3", { created: 5 }));
  openBeside("a3", "ses_f");
  state.selected = "a3";
  assert.deepEqual([subject().session.id, subject().letter], ["ses_f", "B"]);
  state.active = 0;
  assert.deepEqual([subject().session.id, subject().letter], ["ses_a", "A"]);
});

test("what one works on goes along with its head, and stays where another checkpoint was chosen", () => {
  open("a3");
  state.selected = "a3";
  putNode(node("a4", "a3", 4), { committed: true });
  assert.equal(state.selected, "a4");
  state.selected = "a2";
  putNode(node("a5", "a4", 5), { committed: true });
  assert.deepEqual([state.selected, state.panes[0].nodeId, subject().atHead], ["a2", "a5", false]);
  followHead();
  assert.equal(state.selected, "a5");
});

test("the newest change is taken back first, and each only once", () => {
  const back = [];
  const [one, two] = ["one", "two"].map((words) => remember({ words, run: () => back.push(words) }));
  assert.equal(undo(one), one);
  assert.equal(undo(one), null);
  assert.equal(undo(), two);
  assert.deepEqual([back, undo()], [["one", "two"], null]);
});

test("drafts are kept by form and subject until they are sent", () => {
  keepDraft("fork|a", { prompt: "x" });
  assert.deepEqual([draftOf("fork|a"), draftOf("fork|b")], [{ prompt: "x" }, null]);
  keepDraft("fork|a", null);
  assert.equal(draftOf("fork|a"), null);
  for (let n = 0; n < 80; n += 1) keepDraft(`fork|${n}`, { prompt: String(n) });
  assert.deepEqual([draftOf("fork|0"), draftOf("fork|79")], [null, { prompt: "79" }]);
});

test("the model gets the middle of a picture", () => {
  assert.deepEqual(middle(640, 480, 1), { x: 80, y: 0, w: 480, h: 480 });
  assert.deepEqual(middle(480, 640, 1), { x: 0, y: 80, w: 480, h: 480 });
  assert.deepEqual(middle(640, 352, 640 / 352), { x: 0, y: 0, w: 640, h: 352 });
});
