/** Driving with keys: each press is one step with that action. */

import { step } from "../controls/actions.js";
import { on, state, touch } from "../state/store.js";
import { isOver } from "../state/jobs.js";
import { subject } from "../state/subject.js";
import { fill, h } from "../ui/dom.js";
import { toast } from "../ui/toasts.js";
import { actionFor, keysFor } from "../authoring/driving.js";

/** @import { Session } from "../state/types.js" */

let driving = false;
let sending = false; // a step
let held = 1; // what the last dimension (a gripper) is held at

/** The bar that says which key does what, while one drives. */
export function buildDriving() {
  const bar = h("div", { class: "driving", role: "status", hidden: true });
  on(["selection", "sessions", "jobs", "panes", "model", "driving"], () => {
    bar.hidden = !driving;
    const now = subject();
    const busy = Boolean(now?.session && isStepping(now.session));
    fill(bar, [driving, busy, held, now?.atHead, state.model?.name].join(), () => [
      h("b", {}, "Driving"), ...keysFor(state.model?.geometry).map(({ keys, name }) => h("span", {}, ...keys.map((key) => h("kbd", {}, key)), name)),
      h("span", {}, h("kbd", {}, "Enter"), "stay"),
      h("span", { class: "dim" }, !now?.atHead ? "choose the head of a branch" : busy ? "stepping …" : "a press is a step"),
      h("span", { class: "spacer" }), h("button", { class: "button small", onclick: toggleDriving }, "Stop driving (M)")]);
  });
  return bar;
}

export function toggleDriving() {
  const { abilities } = state.model ?? {};
  if (!driving && abilities?.steers_with_actions === false) {
    toast("This model records given actions but does not follow them: it cannot be driven.", { kind: "bad", key: "drive" });
    return;
  }
  driving = !driving;
  touch("driving");
}

/** Whether the key was taken for driving. A key pressed while a step runs is let go by: steps do not pile up. @param {KeyboardEvent} event */
export function drive(event) {
  if (!driving || event.ctrlKey || event.metaKey) return false;
  const taken = actionFor(event.key, state.model?.geometry, held);
  if (!taken) return false;
  held = taken.held;
  const now = subject();
  const session = now?.atHead ? now.session : null;
  if (!session || sending || isStepping(session) || event.repeat) return true;
  sending = true;
  step(session.id, { steps: 1, actions: [taken.actions] }).finally(() => { sending = false; });
  return true;
}

/** Also where its job was accepted and no event has told of it yet. @param {Session} session */
function isStepping({ id, running_job: running, queued }) {
  return running !== null || queued > 0 || [...state.jobs.values()].some((job) => job.session_id === id && job.kind !== "video" && !isOver(job));
}
