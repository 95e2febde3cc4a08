/** The horizontal scale that all tracks share: pixels of a video frame. `width` follows the container; a part of the time can be looked at closer. */

import { clock } from "../state/clock.js";

const GUTTER = 52;
const RIGHT = 18;
const CLOSEST = 8; // frames
/** @type {[number, number]|null} first and last frame of the part that is shown; null: all */
let part = null;

export const scale = {
  width: 600,
  /** where the tracks begin, and end */ left: GUTTER,
  get right() {
    return this.width - RIGHT;
  },
  /** First and last frame in view. @returns {[number, number]} */
  get view() {
    const end = Math.max(1, clock.total - 1);
    return part && part[0] < end ? [part[0], Math.min(part[1], end)] : [0, end]; // of a shorter branch the part may not be there
  },
  /** Whether only a part of the time is shown. */
  get zoomed() {
    return part !== null && part[0] < Math.max(1, clock.total - 1);
  },
  /** @param {number} frame */
  x(frame) {
    const [from, to] = this.view;
    return GUTTER + ((frame - from) / (to - from)) * (this.right - GUTTER);
  },
  /** @param {number} x */
  frame(x) {
    const [from, to] = this.view;
    return Math.round(from + ((x - GUTTER) / (this.right - GUTTER)) * (to - from));
  },
  /** Look closer (factor < 1) or from further away, around what stands at x. @param {number} factor @param {number} x */
  zoom(factor, x) {
    const [from, to] = this.view;
    const share = Math.max(0, Math.min(1, (x - GUTTER) / (this.right - GUTTER)));
    const span = Math.max(CLOSEST, (to - from) * factor);
    const at = from + share * (to - from);
    this.show(at - share * span, at + (1 - share) * span);
  },
  /** @param {number} frames  to the right */
  pan(frames) {
    const [from, to] = this.view;
    const end = clock.total - 1;
    const shift = Math.max(-from, Math.min(end - to, frames));
    if (part) this.show(from + shift, to + shift);
  },
  /** @param {number} from @param {number} to */
  show(from, to) {
    const end = Math.max(1, clock.total - 1);
    part = from <= 0 && to >= end ? null : [Math.max(0, from), Math.min(end, Math.max(to, from + CLOSEST))];
  },
  all() {
    part = null;
  },
};
