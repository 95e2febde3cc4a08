/** Fetches the server's comparison of the panes: divergence point and difference series. */

import { measure } from "../state/panes.js";
import { on, state, touch } from "../state/store.js";
import { get } from "./api.js";

const PAUSE_MS = 250;
const RETRY_MS = [1000, 2000, 4000, 8000];

let wanted = "";
let timer = 0;
let tries = 0;

/** Keep `state.compare` up to date with the panes. */
export function watchCompare() {
  on(["panes"], schedule);
}

function schedule() {
  const ids = [...new Set(state.panes.map((pane) => pane.nodeId))];
  const key = ids.length < 2 ? "" : ids.join(",");
  if (key === wanted) return;
  wanted = key;
  tries = 0;
  clearTimeout(timer);
  if (!samePanes()) state.compare = null;
  if (key) timer = setTimeout(load, PAUSE_MS, key);
  touch("compare");
}

/** While a branch grows, the old comparison stays on screen until the new one is here. */
function samePanes() {
  const before = state.compare?.sessions ?? [];
  return before.join() === state.panes.map((pane) => pane.sessionId).join();
}

/** @param {string} key  the ids asked for, joined by commas */
async function load(key) {
  try {
    const result = await get(`/api/compare?nodes=${encodeURIComponent(key)}`);
    if (key !== wanted) return;
    state.compare = { ...result, sessions: state.panes.map((pane) => pane.sessionId), ids: state.panes.map((pane) => pane.nodeId) };
    state.compareError = null;
  } catch (error) {
    if (key !== wanted) return;
    state.compareError = /** @type {Error} */ (error);
    if (tries < RETRY_MS.length) timer = setTimeout(load, RETRY_MS[tries], key);
    tries += 1;
  }
  measure();
  touch("compare");
}
