/** Puts the page together. */

import { buildForkForm } from "./controls/fork-form.js";
import { buildJobs } from "./controls/jobs.js";
import { buildNewForm } from "./controls/new-form.js";
import { buildNodeCard } from "./controls/node-card.js";
import { buildStepForm } from "./controls/step-form.js";
import { buildTabs, showTab } from "./controls/tabs.js";
import { watchClips } from "./net/clips.js";
import { watchCompare } from "./net/compare.js";
import { watchEvaluations } from "./net/evaluations.js";
import { exportDialog } from "./files/export.js";
import { boot, openAwaited, resync, travel, watchWorkers } from "./net/load.js";
import { connect, subscribe } from "./net/stream.js";
import { wayOut } from "./net/words.js";
import { buildBanner } from "./shell/banner.js";
import { buildHeader } from "./shell/header.js";
import { listenToKeys } from "./shell/keys.js";
import { buildStage } from "./shell/stage.js";
import { buildDriving } from "./shell/driving.js";
import { help } from "./shell/help.js";
import { palette } from "./shell/palette.js";
import { exposeForTests } from "./shell/testing.js";
import { buildHistory } from "./sessions/history.js";
import { buildSessionsList } from "./sessions/list.js";
import { buildWidths } from "./shell/widths.js";
import { systemDialog } from "./system/dialog.js";
import { apply } from "./state/events.js";
import { watchLink } from "./state/link.js";
import { measure } from "./state/panes.js";
import { on, state, touch } from "./state/store.js";
import { buildTreePanel } from "./tree/panel.js";
import { h } from "./ui/dom.js";
import { buildFaces, showFace } from "./ui/faces.js";
import { problem, toast } from "./ui/toasts.js";

/** @import { Job } from "./state/types.js" */

const at = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

buildHeader(at("header"));
buildBanner(at("banner"));
buildFaces(at("faces"));
buildTreePanel(at("tree"));
buildStage(at("stage"));
at("stage").append(buildDriving());
buildWidths(at("layout"));
at("controls").append(buildNodeCard(), buildTabs([
  { id: "step", label: "Step", content: buildStepForm() },
  { id: "fork", label: "Fork", content: buildForkForm() },
  { id: "new", label: "New", content: buildNewForm() },
  { id: "sessions", label: "Sessions", content: buildSessionsList() },
  { id: "history", label: "History", content: buildHistory() },
]), h("div", { class: "controls-rest" }, buildJobs()));

listenToKeys();
watchClips();
watchWorkers();
watchEvaluations();
watchCompare();
watchLink(travel);
on(["panes", "branch"], measure);
on(["panes"], () => subscribe(state.panes.map((pane) => pane.sessionId)));
on(["sessions"], openAwaited);
on(["export"], exportDialog);
on(["palette"], palette);
on(["help"], help);
on(["system"], systemDialog);
on(["view"], () => showFace("stage")); // a branch was opened, or another way to look at them
on(["tree"], () => state.treeStatus === "empty" && showTab("new"));
exposeForTests();

connect({
  event(event) {
    apply(event);
    if (event.kind === "job.finished" && event.data.state === "failed") tellFailure(/** @type {any} */ (event.data));
  },
  hello(again) {
    if (again) resync().then(() => toast("Connected again.", { kind: "good" }), problem);
  },
  problem: (body) => toast(body.detail || body.title || "The server refused a message.", { kind: "bad", more: wayOut(body.code, body.what_to_do) }),
});
boot().catch(problem).finally(() => {
  state.ready = true;
  touch("ready", "sessions", "nodes", "branch", "jobs", "workers", "panes", "selection", "mode", "view", "connection", "tree");
});

/** A failed job is told at once; its whole error stands in the job list. @param {Job} job */
function tellFailure(job) {
  const { message = "unknown reason", type, what_to_do: hint } = job.error ?? {};
  toast(`The ${job.kind} failed: ${message}`, { kind: "bad", more: wayOut(type, hint), key: job.id });
}
