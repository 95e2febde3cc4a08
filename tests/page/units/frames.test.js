/** Frame arithmetic on the cases that the server is tested on too. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { frameCount, lastFrameOf, placeInStep, stepOf, stepsDone } from "../../../webapp/static/js/state/frames.js";

const cases = JSON.parse(readFileSync(new URL("../../data/frame_cases.json", import.meta.url)));

for (const { per_step: per, steps, frames, last_frame: last } of cases.worlds) {
  test(`${steps} steps of ${per} frames make ${frames}`, () => {
    assert.equal(frameCount(steps, per), frames);
    assert.equal(lastFrameOf(steps, per), last);
  });
}

for (const { per_step: per, frame, step, place, complete_steps: complete } of cases.frames) {
  test(`frame ${frame} of steps of ${per} is the ${place}th of step ${step}`, () => {
    assert.deepEqual([stepOf(frame, per), placeInStep(frame, per), stepsDone(frame, per)], [step, place, complete]);
  });
}
