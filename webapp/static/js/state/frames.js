/**
 * Steps and video frames. Frame 0 is the picture a world began with; every step adds `perStep` frames after it. The page
 * counts them here alone; tests/data/frame_cases.json holds the cases on which the server agrees.
 */

/** Frames of a world after so many steps, the initial one included. @param {number} steps @param {number} perStep */
export function frameCount(steps, perStep) {
  return 1 + steps * perStep;
}

/** The last frame that a step makes. @param {number} step @param {number} perStep */
export function lastFrameOf(step, perStep) {
  return step * perStep;
}

/** The step that makes a frame; 0: the frame was there before. @param {number} frame @param {number} perStep */
export function stepOf(frame, perStep) {
  return Math.ceil(frame / perStep);
}

/** A frame's place among those of its step, from 0. @param {number} frame @param {number} perStep */
export function placeInStep(frame, perStep) {
  return frame === 0 ? 0 : (frame - 1) % perStep;
}

/** Steps that are complete at a frame: the checkpoint one can fork from there. @param {number} frame @param {number} perStep */
export function stepsDone(frame, perStep) {
  return Math.floor(frame / perStep);
}
