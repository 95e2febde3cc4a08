/** What an evaluation tries, cut into the sheets of its matrix. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionsOf, numberAt, rangesOf, seedsTried, sheetOf, sheetsOf } from "../../../../webapp/static/js/evaluations/plan.js";
import { countsInWords, differenceInWords, rateInWords, verdictOf } from "../../../../webapp/static/js/evaluations/words.js";
import { optionsOf, promptsOf, seedsOf, valuesOf } from "../../../../webapp/static/js/ui/checks.js";

test("seeds are numbers and ranges, each once; anything else is said", () => {
  assert.deepEqual(seedsOf("0-3, 9,2").value, [0, 1, 2, 3, 9]);
  for (const words of ["", "a", "5-2", "1.5", "-1", "99999999999"]) assert.ok(seedsOf(words).problem, words);
  assert.match(seedsOf("0-100000").problem, /100,000/);
  assert.equal(seedsOf("0-99999").value.length, 100_000);
});

test("prompts are lines; options are name=value with numbers and truth", () => {
  assert.deepEqual(promptsOf("push\n\n pull \npush", 100).value, ["push", "pull"]);
  assert.ok(promptsOf(" \n", 100).problem);
  assert.match(promptsOf("x".repeat(101), 100).problem, /has 101/);
  assert.deepEqual(optionsOf("limit=0.8, strict = true, goal=ckp_1, none=null").value, { limit: 0.8, strict: true, goal: "ckp_1", none: null });
  assert.ok(optionsOf("limit").problem);
});

test("variants are numbered as the server numbers them: checkpoints turn fastest, then prompts, actions, seeds", () => {
  const plan = { checkpoints: ["c", "d"], prompts: ["p", "q"], seeds: [5, 6], actions: [{ name: "x" }, { name: "y" }] };
  const conditions = conditionsOf(plan);
  const rest = { policy: null, settings: null, mode: null };
  assert.deepEqual(conditions[3], { actions: "x", prompt: "q", checkpoint: "d", ...rest });
  assert.deepEqual(conditions[4], { actions: "y", prompt: "p", checkpoint: "c", ...rest });
  assert.equal(numberAt({ seeds: 2, conditions: 8 }, 1, 3), 11);
});

test("policies turn slower than actions, then settings of the model, then prompt modes", () => {
  const plan = { checkpoints: ["c"], seeds: [0, 1], policies: [{ name: "p" }, { name: "q" }], prompt_modes: ["keep", "reset"],
    model_settings: { steps: [4, 8], guidance: [1, 2.5] } };
  const conditions = conditionsOf(plan);
  assert.equal(conditions.length, 16);
  assert.deepEqual(conditions.slice(0, 9).map(({ policy, settings, mode }) => [policy, settings, mode]), [
    ["p", "guidance=1, steps=4", "keep"], ["q", "guidance=1, steps=4", "keep"], ["p", "guidance=1, steps=8", "keep"],
    ["q", "guidance=1, steps=8", "keep"], ["p", "guidance=2.5, steps=4", "keep"], ["q", "guidance=2.5, steps=4", "keep"],
    ["p", "guidance=2.5, steps=8", "keep"], ["q", "guidance=2.5, steps=8", "keep"], ["p", "guidance=1, steps=4", "reset"]]);
});

test("variants listed one by one are a row each, with what they leave out from the plan", () => {
  const plan = { checkpoints: ["c", "d"], prompts: ["p"], seeds: [3], variants: [{ seed: 5 }, { checkpoint: "d", prompt: "q", model_settings: {} }] };
  assert.equal(seedsTried(plan), 1);
  assert.deepEqual(conditionsOf(plan).map(({ checkpoint, prompt, seed, settings }) => [checkpoint, prompt, seed, settings]),
    [["c", "p", 5, null], ["d", "q", 3, "defaults"]]);
});

test("values of a setting are within its limits, whole where it is discrete", () => {
  const guidance = { name: "guidance", kind: "continuous", low: 0, high: 10 };
  assert.deepEqual(valuesOf("1, 2.5,1", guidance).value, [1, 2.5]);
  assert.deepEqual(valuesOf("", guidance).value, []);
  assert.match(valuesOf("1, 11", guidance).problem, /from 0 to 10, not 11/);
  assert.match(valuesOf("2.5", { ...guidance, kind: "discrete" }).problem, /whole/);
  assert.match(valuesOf("x", guidance).problem, /not x/);
});

test("a sheet never has more than a few hundred cells, and all sheets together hold every variant once", () => {
  for (const [seeds, conditions] of [[10_000, 1], [8, 2], [100, 100], [1, 1000]]) {
    const shape = { seeds, conditions };
    const sheet = sheetOf(shape, 12);
    assert.ok(sheet.columns * sheet.rows * sheet.bands <= 312, JSON.stringify([shape, sheet]));
    const { across, down } = sheetsOf(shape, sheet);
    const seen = new Uint8Array(shape.seeds * shape.conditions);
    for (let a = 0; a < across; a += 1) {
      for (let d = 0; d < down; d += 1) {
        for (const [from, to] of rangesOf(shape, sheet, { across: a, down: d })) for (let n = from; n < to; n += 1) seen[n] += 1;
      }
    }
    assert.ok(seen.every((count) => count === 1), JSON.stringify(shape));
  }
});

test("what is not judged is neither good nor bad, and an error is no failure", () => {
  assert.deepEqual([undefined, { state: "error" }, { state: "made", verdict: null }, { state: "made", verdict: false }].map(verdictOf),
    ["waiting", "error", "none", "bad"]);
  assert.equal(rateInWords({ rate: 0.766, low: 0.65, high: 0.85 }), "77 % (65 to 85)");
  assert.equal(countsInWords({ done: 6, total: 8, good: 3, bad: 1, errors: 1 }), "6 of 8 variants · 3 good · 1 bad · 1 error · 1 not judged");
});

test("one value is better than another only where p says so", () => {
  const one = { best: "push", than: null, pairs: 32, only_best: 16, only_than: 1, p: 0.000274 };
  assert.equal(differenceInWords(one),
    "“push” is better than the checkpoint’s own: good where the other is not in 16 of 32 pairs, the reverse in 1; p = 0.00027");
  assert.match(differenceInWords({ ...one, p: 0.05 }), /^“push” is not shown to be better than/);
});
