/** The selected node of the tree, and what choosing one does. */

import { clock, pause, seek } from "./clock.js";
import { isOnLineage, lastFrame } from "./lineage.js";
import { open, openBeside, startShow } from "./panes.js";
import { state, touch } from "./store.js";

/** @import { Node } from "./types.js" */

/**
 * Select a node. If a pane shows it, that pane becomes active and the playhead goes to the node's last frame.
 * @param {string} id @param {{beside?: boolean}} [options]  also open it in the next free pane
 */
export function select(id, { beside = false } = {}) {
  const node = state.nodes.get(id);
  if (!node) return;
  state.selected = id;
  if (beside) openNode(id, { beside: true });
  else showInPane(node);
  touch("selection", "nodes", "reveal");
}

/** Open a node in the active pane, or beside the others. @param {string} id @param {{beside?: boolean}} [options] */
export function openNode(id, { beside = false } = {}) {
  const node = state.nodes.get(id);
  if (!node) return;
  state.selected = id;
  if (beside) openBeside(id);
  else open(id);
  state.view = "videos";
  touch("selection", "view");
  if (state.panes.length > 1 && beside) startShow();
  else {
    pause();
    seek(lastFrame(node));
  }
}

/** @param {Node} node */
function showInPane(node) {
  const order = [state.active, ...state.panes.keys()];
  const index = order.find((i) => state.panes[i] && isOnLineage(node, state.panes[i].nodeId));
  if (index === undefined) return;
  if (index !== state.active) {
    state.active = index;
    touch("panes", "active");
  }
  pause();
  if (clock.frame !== lastFrame(node)) seek(lastFrame(node));
}
