/**
 * One integer frame clock for all panes. Panes never run their own time: they draw `clock.frame` or nothing, which is
 * what keeps them locked to the frame. While a frame of any pane is still loading the clock waits.
 */

import { fps } from "./lineage.js";
import { emit } from "./store.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];

export const clock = {
  frame: 0,
  total: 1,
  playing: false,
  /** the newest frame is shown as it arrives */ follow: false,
  waiting: false,
  speed: 1,
  loop: true,
  /** where a loop begins: the divergence point when branches are compared */ loopStart: 0,
};

/** @type {(frame: number) => boolean} Answers whether every pane can show a frame now; set by the player. */
let canShow = () => true;
let anchorTime = 0;
let anchorFrame = 0;
let holdUntil = 0;
const HOLD_MS = 900;
const CATCH_UP_S = 0.4;
let catching = false;

/** True when the reader asked the system for less motion. */
export function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** @param {typeof canShow} fn */
export function setReadiness(fn) {
  canShow = fn;
}

/** Start playing; from the loop's start when at the end. */
export function play() {
  if (clock.playing || clock.total < 2) return;
  if (clock.frame >= clock.total - 1) clock.frame = Math.min(clock.loopStart, clock.total - 1);
  clock.playing = true;
  clock.follow = false;
  anchor(performance.now());
  emit("play");
  emit("frame");
  requestAnimationFrame(tick);
}

export function pause() {
  clock.waiting = false;
  if (!clock.playing) return;
  clock.playing = false;
  emit("play");
}

export function toggle() {
  if (clock.playing) pause();
  else play();
}

/** Go to a frame; playing goes on from there. @param {number} frame */
export function seek(frame, { keepFollow = false } = {}) {
  const target = Math.max(0, Math.min(clock.total - 1, Math.round(frame)));
  if (!keepFollow) clock.follow = false;
  clock.frame = target;
  anchor(performance.now());
  emit("frame");
}

/** Step by whole frames and stop. @param {number} delta */
export function nudge(delta) {
  pause();
  seek(clock.frame + delta);
}

/** Show the newest frame and stay on it while steps run. */
export function followLive() {
  pause();
  clock.follow = true;
  seek(clock.total - 1, { keepFollow: true });
}

/** @param {number} direction  +1 faster, -1 slower */
export function changeSpeed(direction) {
  const at = SPEEDS.indexOf(clock.speed);
  clock.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + direction))];
  anchor(performance.now());
  emit("play");
}

/** The longest pane's length changed. @param {number} total */
export function setTotal(total) {
  const next = Math.max(1, total);
  if (next === clock.total) return;
  clock.total = next;
  if (clock.frame > next - 1) seek(next - 1, { keepFollow: true });
  else emit("frame");
  if (clock.follow) catchUp();
}

/**
 * Following, a new step's frames (they come in bursts) are played, not jumped over: at least at the model's rate, faster
 * when behind, so that the picture is never more than CATCH_UP_S late.
 */
function catchUp() {
  if (catching || clock.frame >= clock.total - 1) return;
  if (reducedMotion()) {
    seek(clock.total - 1, { keepFollow: true });
    return;
  }
  catching = true;
  let before = performance.now();
  let exact = clock.frame;
  const run = (/** @type {number} */ now) => {
    const last = clock.total - 1;
    if (!clock.follow || clock.playing || clock.frame >= last) {
      catching = false;
      return;
    }
    exact = Math.min(last, exact + ((now - before) / 1000) * Math.max(fps(), (last - exact) / CATCH_UP_S));
    before = now;
    const target = Math.floor(exact + 1e-6);
    if (!canShow(target)) exact = clock.frame;
    else if (target > clock.frame) {
      clock.frame = target;
      emit("frame");
    }
    requestAnimationFrame(run);
  };
  requestAnimationFrame(run);
}

/** Time is counted from now on. @param {number} now */
function anchor(now) {
  anchorTime = now;
  anchorFrame = clock.frame;
  holdUntil = 0;
}

/** @param {number} now */
function tick(now) {
  if (!clock.playing) return;
  advance(now);
  requestAnimationFrame(tick);
}

/** @param {number} now */
function advance(now) {
  if (holdUntil) {
    if (now >= holdUntil) restart(now);
    return;
  }
  const ahead = Math.max(0, Math.floor(((now - anchorTime) / 1000) * fps() * clock.speed));
  const target = Math.min(anchorFrame + ahead, clock.total - 1);
  if (!canShow(target)) {
    if (!clock.waiting) {
      clock.waiting = true;
      emit("play");
    }
    anchor(now);
    return;
  }
  if (clock.waiting) {
    clock.waiting = false;
    emit("play");
  }
  if (target !== clock.frame) {
    clock.frame = target;
    emit("frame");
  }
  if (target >= clock.total - 1) {
    if (clock.loop) holdUntil = now + HOLD_MS;
    else pause();
  }
}

/** @param {number} now */
function restart(now) {
  clock.frame = Math.min(clock.loopStart, clock.total - 1);
  anchor(now);
  emit("frame");
}
