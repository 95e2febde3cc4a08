/** The middle panel: videos or the grid of branches. */

import { buildDiffTable } from "../compare/diff-table.js";
import { buildTracks } from "../compare/tracks.js";
import { buildEmpty } from "../controls/empty.js";
import { on, state } from "../state/store.js";
import { buildGrid } from "../tree/grid.js";
import { h } from "../ui/dom.js";
import { buildPlayer } from "../video/player.js";
import { buildOverlayBar, buildStageBar, buildTransport } from "../video/transport.js";

/** @param {HTMLElement} panel */
export function buildStage(panel) {
  const bar = buildStageBar();
  const videos = h("div", { class: "videos" }, buildPlayer(), buildOverlayBar(), buildTransport(), buildTracks(), buildDiffTable());
  const grid = buildGrid();
  const empty = buildEmpty();
  panel.append(bar, videos, grid, empty);
  on(["panes", "view", "tree"], () => {
    const busy = state.panes.length > 0 && !state.awaited;
    bar.hidden = !busy;
    videos.hidden = !busy || state.view !== "videos";
    grid.hidden = !busy || state.view !== "grid";
  });
}
