/** The horizontal scale that all tracks share: pixels of a video frame. `width` follows the container. */

import { clock } from "../state/clock.js";

const GUTTER = 52;
const RIGHT = 18;

export const scale = {
  width: 600,
  /** where the tracks begin, and end */ left: GUTTER,
  get right() {
    return this.width - RIGHT;
  },
  /** @param {number} frame */
  x(frame) {
    return GUTTER + (clock.total > 1 ? (frame / (clock.total - 1)) * (this.right - GUTTER) : 0);
  },
  /** @param {number} x */
  frame(x) {
    return Math.round(((x - GUTTER) / (this.right - GUTTER)) * (clock.total - 1));
  },
};
