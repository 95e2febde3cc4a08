/** The states of a job, and what they mean. */

/** @import { Job } from "./types.js" */

const ORDER = { queued: 0, running: 1, succeeded: 2, failed: 2, cancelled: 2 };

/** It never changes again. @param {Job} job */
export function isOver(job) {
  return ORDER[job.state] === 2;
}

/** It ended and did not succeed. @param {Job} job */
export function cameToNothing(job) {
  return isOver(job) && job.state !== "succeeded";
}

/** Its state comes before the other's. @param {Job} job @param {Job} other */
export function isBehind(job, other) {
  return ORDER[job.state] < ORDER[other.state];
}
