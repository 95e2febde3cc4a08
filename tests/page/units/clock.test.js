/** The frame clock, on a screen whose frames the test counts out. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { changeSpeed, clock, followLive, nudge, pause, play, seek, setReadiness, setTotal } from "../../../webapp/static/js/state/clock.js";
import { on } from "../../../webapp/static/js/state/store.js";
import { calm, plant, run } from "./page.js";

let drawn = [];
on(["frame"], () => drawn.push(clock.frame));

beforeEach(() => {
  plant();
  calm(false);
  pause();
  setReadiness(() => true);
  Object.assign(clock, { frame: 0, total: 1, follow: false, speed: 1, loop: true, loopStart: 0 });
  setTotal(101);
  drawn = [];
});

test("it plays at the model's rate, and every frame once", () => {
  play();
  run(1000); // 10 frames per second
  assert.equal(clock.frame, 10);
  assert.deepEqual([...new Set(drawn)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

test("twice the speed, half the speed, and no further than there are speeds", () => {
  changeSpeed(1);
  play();
  run(1000);
  assert.equal(clock.frame, 20);
  for (let n = 0; n < 9; n += 1) changeSpeed(-1);
  assert.equal(clock.speed, 0.25);
});

test("it waits for a frame that is not there, and goes on from it without a jump", () => {
  setReadiness((frame) => frame < 5);
  play();
  run(2000);
  assert.deepEqual([clock.frame, clock.playing], [4, true]);
  setReadiness(() => true);
  run(300);
  assert.equal(clock.waiting, false);
  assert.ok(clock.frame >= 6 && clock.frame <= 7, `${clock.frame}`);
});

test("at the end it holds, then loops from the divergence", () => {
  clock.loopStart = 90;
  seek(98);
  play();
  run(500);
  assert.equal(clock.frame, 100);
  run(800);
  assert.ok(clock.frame >= 90 && clock.frame < 95, `${clock.frame}`);
});

test("without loop it stops at the end, and play begins again", () => {
  clock.loop = false;
  seek(99);
  play();
  run(500);
  assert.deepEqual([clock.frame, clock.playing], [100, false]);
  play();
  assert.deepEqual([clock.frame, clock.playing], [0, true]);
});

test("seeking stays within the world and on whole frames", () => {
  for (const [asked, got] of [[-3, 0], [7.6, 8], [1000, 100]]) {
    seek(asked);
    assert.equal(clock.frame, got);
  }
  nudge(-10);
  assert.equal(clock.frame, 90);
});

test("a world that grows is followed frame by frame, never more than 0.4 s late", () => {
  followLive();
  drawn = [];
  setTotal(109);
  run(150);
  assert.ok(clock.frame > 100 && clock.frame < 108, `${clock.frame}`);
  run(1500);
  assert.equal(clock.frame, 108);
  assert.deepEqual([...new Set(drawn)], [100, 101, 102, 103, 104, 105, 106, 107, 108]);
});

test("with less motion the newest frame is shown at once", () => {
  calm(true);
  followLive();
  setTotal(109);
  assert.equal(clock.frame, 108);
});

test("a world that becomes shorter takes the playhead along", () => {
  seek(90);
  setTotal(50);
  assert.equal(clock.frame, 49);
});
