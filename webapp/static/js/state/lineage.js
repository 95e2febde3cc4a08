/** The tree's arithmetic: lineages, and which node holds which video frame. */

import { frameCount, lastFrameOf, placeInStep, stepOf, stepsDone } from "./frames.js";
import { state } from "./store.js";

/** @import { Node } from "./types.js" */

/** @type {Map<string, string[]>} */
const cache = new Map();

/** Forget cached lineages (another tree was opened). */
export function forgetLineages() {
  cache.clear();
}

/** Video frames that one step adds. */
export function framesPerStep() {
  const fromModel = state.model?.geometry?.frames_per_step;
  if (fromModel) return fromModel;
  for (const node of state.nodes.values()) if (node.frame_index > 0 && node.n_frames) return node.n_frames;
  return 8;
}

/** Frames per second of the model's video. */
export function fps() {
  return state.model?.geometry?.fps || 12;
}

/**
 * Nodes from the root to `nodeId`. Ancestors never change, so a lineage is kept once it is complete.
 * @param {string} nodeId
 * @returns {Node[]}
 */
export function lineage(nodeId) {
  const kept = cache.get(nodeId);
  if (kept) return kept.map((id) => /** @type {Node} */ (state.nodes.get(id)));
  const path = [];
  for (let node = state.nodes.get(nodeId); node; node = state.nodes.get(node.parent ?? "")) path.push(node);
  path.reverse();
  if (path.length && path[0].parent === null) cache.set(nodeId, path.map((node) => node.id));
  return path;
}

/** Whether a node is the other or one of its ancestors. @param {Node} node @param {string} nodeId */
export function isOnLineage(node, nodeId) {
  return lineage(nodeId)[node.frame_index]?.id === node.id;
}

/** Number of video frames from the root to the end of a node. @param {string} nodeId */
export function totalFrames(nodeId) {
  const node = state.nodes.get(nodeId);
  return node ? frameCount(node.frame_index, framesPerStep()) : 0;
}

/** Steps that are complete at a video frame. @param {number} frame */
export function stepsAt(frame) {
  return stepsDone(frame, framesPerStep());
}

/** Last video frame of a node. @param {Node} node */
export function lastFrame(node) {
  return lastFrameOf(node.frame_index, framesPerStep());
}

/** The node of a lineage that shows a video frame, and the frame's place in it. @param {string} nodeId @param {number} frame */
export function locate(nodeId, frame) {
  const path = lineage(nodeId);
  const node = path[Math.min(stepOf(frame, framesPerStep()), path.length - 1)];
  return node ? { node, index: placeInStep(frame, framesPerStep()) } : null;
}

/** The checkpoint of a lineage at or before a video frame. @param {string} nodeId @param {number} frame */
export function checkpointAt(nodeId, frame) {
  const path = lineage(nodeId);
  return path[Math.min(stepsAt(frame), path.length - 1)] ?? null;
}

/** Deepest node shared by all the lineages, or null. @param {string[]} nodeIds */
export function commonAncestor(nodeIds) {
  const paths = nodeIds.map(lineage);
  let last = null;
  for (let depth = 0; ; depth += 1) {
    const node = paths[0]?.[depth];
    if (!node || paths.some((path) => path[depth]?.id !== node.id)) return last;
    last = node;
  }
}

let leafCache = { version: -1, list: /** @type {Node[]} */ ([]) };

/** Leaves of the tree: nodes without children. */
export function leaves() {
  if (leafCache.version !== state.treeVersion) {
    leafCache = { version: state.treeVersion, list: [...state.nodes.values()].filter((node) => node.children.length === 0) };
  }
  return leafCache.list;
}
