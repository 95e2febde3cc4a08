/** The middle panel: videos, the grid of branches or evaluations. */

import { buildDiffTable } from "../compare/diff-table.js";
import { buildTracks } from "../compare/tracks.js";
import { buildEmpty } from "../controls/empty.js";
import { buildEvaluations } from "../evaluations/view.js";
import { buildGrid } from "../grid/grid.js";
import { on, state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { buildPlayer } from "../video/player.js";
import { buildOverlayBar, buildStageBar, buildTransport } from "../video/transport.js";

/** @param {HTMLElement} panel */
export function buildStage(panel) {
  const bar = buildStageBar();
  const videos = h("div", { class: "videos" }, buildPlayer(), buildOverlayBar(), buildTransport(), buildTracks(), buildDiffTable());
  const grid = buildGrid();
  const empty = buildEmpty();
  panel.append(bar, videos, grid, buildEvaluations(), empty);
  on(["panes", "view", "tree"], () => {
    const busy = state.panes.length > 0 && !state.awaited;
    bar.hidden = !busy && state.view !== "evaluations";
    videos.hidden = !busy || state.view !== "videos";
    grid.hidden = !busy || state.view !== "grid";
  });
}
