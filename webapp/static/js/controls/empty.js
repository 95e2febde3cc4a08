/** What stands in the middle while there is nothing to show: the first button, loading, trouble. */

import { showNewest } from "../net/load.js";
import { here } from "../state/address.js";
import { on, state } from "../state/store.js";
import { fill, h } from "../ui/dom.js";
import { anySeed, busy } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { createSession, showSession } from "./actions.js";
import { FIRST_PROMPT, FIRST_STEPS, firstSample } from "./new-form.js";
import { showTab } from "./tabs.js";

export function buildEmpty() {
  const el = h("div", { class: "empty" });
  on(["tree", "nodes", "samples", "model", "panes", "jobs", "view"], () => {
    const face = faceNow();
    el.hidden = !face;
    fill(el, [face, state.samples.length, state.model?.name, plantingWords()].join(), face ? FACES[face] : () => []);
  });
  return el;
}

/** @returns {keyof typeof FACES|null} */
function faceNow() {
  if (state.view === "evaluations") return null;
  if (state.awaited) return "planting";
  if (state.panes.length) return null;
  return state.treeStatus;
}

const FACES = { empty, loading, planting, error, dead, lost, deleted, ready };

function empty() {
  const without = state.model?.abilities.needs_picture === false;
  const sample = without ? undefined : firstSample();
  const start = h("button", { class: "button primary large", disabled: !sample && !without }, icon("play"), "Start a first session");
  const begin = () => createSession({ prompt: FIRST_PROMPT, initial_frame: sample?.initial_frame, seed: anySeed() }, FIRST_STEPS);
  start.addEventListener("click", () => busy(start, begin));
  return [
    h("div", { class: "empty-pictures", "aria-hidden": "true" },
      ...without ? [] : state.samples.slice(0, 3).map((one) => h("img", { src: here(one.url), alt: "", width: "96", height: "96" }))),
    h("h2", {}, "Watch a world unfold"),
    h("p", {}, `One press starts a session ${without ? "" : "from a sample picture "}with the prompt “${FIRST_PROMPT}” `
      + `and runs ${FIRST_STEPS} steps. Then fork it anywhere and compare.`),
    start,
    h("button", { class: "button quiet", onclick: () => showTab("new", { focus: "textarea" }) }, "Choose picture and prompt myself"),
  ];
}

function loading() {
  return [h("div", { class: "spinner", "aria-hidden": "true" }), h("p", { role: "status" }, "Loading …")];
}

function plantingWords() {
  const job = [...state.jobs.values()].find((one) => one.session_id === state.awaited && one.kind === "create");
  if (job?.state === "failed") return `The session could not be created: ${job.error?.message ?? "unknown reason"}`;
  return job?.state === "running" ? "The model looks at the initial frame …" : "Waiting for a worker …";
}

function planting() {
  return [h("div", { class: "spinner", "aria-hidden": "true" }), h("p", { role: "status" }, plantingWords())];
}

function error() {
  const { message, whatToDo } = state.treeError ?? {};
  return [h("h2", {}, "The tree could not be loaded"), h("p", {}, message), h("p", { class: "dim" }, whatToDo)];
}

/** The address stays as it is, so that it can be looked at and corrected. */
function dead() {
  return [h("h2", {}, "This link leads nowhere"),
    h("p", {}, "Its session does not exist on this server. It may be of another server, or a letter of it is missing."), ...onwards()];
}

function deleted() {
  return [h("h2", {}, "This tree is deleted"), h("p", {}, "Its checkpoints and sessions are gone for good."), ...onwards()];
}

function onwards() {
  return [h("button", { class: "button primary", onclick: showNewest }, "Show the newest session"),
    h("button", { class: "button quiet", onclick: () => showTab("sessions") }, "Look through the sessions")];
}

/** The tree is there; the branches that the link names are not. */
function lost() {
  return [h("h2", {}, "This link leads nowhere"),
    h("p", {}, "Its session is here, but the branches that it names are not: a letter is missing, or their tree was deleted."),
    h("button", { class: "button primary", onclick: showPlanted }, "Show the session's head"),
    h("p", { class: "dim" }, "Or choose a branch in the tree.")];
}

/** The session that the address names, else one of the tree. */
function showPlanted() {
  const named = state.sessions.get(new URLSearchParams(location.search).get("session") ?? "");
  const session = named ?? [...state.sessions.values()].find((one) => one.tree_id === state.treeId);
  if (session) showSession(session);
}

function ready() {
  return [h("h2", {}, "Choose a branch"), h("p", {}, "Select a checkpoint in the tree and press Enter, or double-click it.")];
}
