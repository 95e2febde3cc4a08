/** Run the world on: prompt, seed, action and number of steps; rewind and checkpoint beside it. */

import { LETTERS, activeSession, on, state } from "../state/store.js";
import { fill, h, text } from "../ui/dom.js";
import { busy, choice, field, integer, promptField, seedField, stepsField } from "../ui/fields.js";
import { clip, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { buildSliders } from "./action-sliders.js";
import { cancel, checkpoint, reopenSession, rewind, step } from "./actions.js";

/** @import { Session } from "../state/types.js" */
/** @import { StepBody } from "./actions.js" */

export function buildStepForm() {
  const who = h("p", { class: "form-for" });
  const prompt = promptField();
  const seed = seedField();
  const steps = stepsField(4);
  const sliders = buildSliders();
  const recorded = h("p", { class: "hint" });
  let given = false;
  const actionBox = h("div", { class: "action-box", hidden: true }, sliders.el, recorded);
  const actions = choice("Action", [["auto", "Automatic"], ["given", "Given"]], "auto", (value) => {
    given = value === "given";
    actionBox.hidden = !given;
  });
  const go = h("button", { class: "button primary grow", type: "submit", title: "Ctrl+Enter" }, icon("step"), h("span", {}, "Step"));
  const stop = h("button", { class: "button danger", hidden: true }, "Cancel");
  const notice = h("div", { class: "notice", hidden: true });
  const form = h("form", { class: "form", id: "step-form", novalidate: true },
    who, field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed), field("Steps", steps)),
    h("div", { class: "field" }, h("span", { class: "label" }, "Action"), actions), actionBox, notice,
    h("div", { class: "form-buttons" }, go, stop), rewindRow());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const session = activeSession();
    if (!session || go.disabled) return;
    busy(go, () => step(session.id, body(session)));
  });
  const body = (/** @type {Session} */ session) => {
    const n = Math.max(1, integer(steps) ?? 1);
    /** @type {StepBody} */
    const wanted = { steps: n };
    if (prompt.value.trim() && prompt.value.trim() !== session.prompt) wanted.prompt = prompt.value.trim();
    if (integer(seed) !== undefined && integer(seed) !== session.seed) wanted.seed = integer(seed);
    if (given) wanted.actions = Array.from({ length: n }, () => sliders.chunk());
    return wanted;
  };
  let filledFor = "";
  on(["sessions", "panes", "active", "jobs", "workers", "model"], () => {
    const session = activeSession();
    text(who, session ? `Continue ${LETTERS[state.active]} · ${clip(sessionName(session), 48)}` : "No session is open.");
    const key = session ? `${session.id}|${session.prompt}|${session.seed}` : "";
    if (key !== filledFor) {
      filledFor = key;
      prompt.value = session?.prompt ?? "";
      seed.value = String(session?.seed ?? "");
    }
    text(recorded, state.model?.abilities.steers_with_actions === false ? "This model records a given action but does not follow it." : "");
    refreshState({ session, go, stop, notice });
  });
  return form;
}

/** @param {{session: Session|null, go: HTMLButtonElement, stop: HTMLButtonElement, notice: HTMLElement}} form */
function refreshState({ session, go, stop, notice }) {
  const job = state.jobs.get(session?.running_job ?? "");
  stop.hidden = !job;
  stop.onclick = () => job && cancel(job);
  const closed = session?.state === "closed" ? session : null;
  go.disabled = !session || Boolean(closed);
  text(go.children[1], session?.running_job || session?.queued ? "Queue step" : "Step");
  notice.hidden = !closed;
  fill(notice, closed?.id ?? "", () => [h("p", {}, "This session is closed. Its tree stays."),
    h("button", { class: "button small", onclick: () => closed && reopenSession(closed) }, "Open it again")]);
}

function rewindRow() {
  const n = stepsField(1);
  n.setAttribute("aria-label", "Steps to rewind");
  const back = h("button", { class: "button" }, icon("rewind"), "Rewind");
  const save = h("button", { class: "button", title: "Wait until the head is stored" }, icon("save"), "Checkpoint");
  back.addEventListener("click", () => {
    const session = activeSession();
    if (session) busy(back, () => rewind(session.id, { n_steps: Math.max(1, integer(n) ?? 1) }));
  });
  save.addEventListener("click", () => {
    const session = activeSession();
    if (session) busy(save, () => checkpoint(session.id));
  });
  on(["sessions", "panes", "active"], () => {
    const session = activeSession();
    const open = session?.state === "open";
    back.disabled = !open || !session.frame_index;
    save.disabled = !open || !session.head;
    n.max = String(Math.max(1, session?.frame_index ?? 1));
  });
  return h("div", { class: "rewind-row" }, h("div", { class: "joined" }, back, n), save);
}
