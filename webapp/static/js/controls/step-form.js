/** Run the world on from the subject: prompt, seed, action and number of steps; rewind and checkpoint beside it. */

import { on, state } from "../state/store.js";
import { subject } from "../state/subject.js";
import { fill, h, text } from "../ui/dom.js";
import { keepingDrafts } from "../ui/draft-form.js";
import { Reading, busy, field, promptField, seedDice, seedField, stepsField } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { buildGiven } from "../authoring/given.js";
import { cancel, checkpoint, forkAndStep, reopenSession, rewind, step } from "./actions.js";
import { nameOf } from "./subject-words.js";

/** @import { Subject } from "../state/subject.js" */
/** @import { StepBody } from "./actions.js" */
/** @typedef {{go: HTMLButtonElement, stop: HTMLButtonElement, notice: HTMLElement, who: HTMLElement}} Parts */

const STEPS = 4;

export function buildStepForm() {
  const who = h("p", { class: "form-for" });
  const prompt = promptField();
  const seed = seedField("as before");
  const steps = stepsField(STEPS);
  const given = buildGiven(steps);
  const go = h("button", { class: "button primary grow", type: "submit", title: "Ctrl+Enter" }, icon("step"), h("span", {}, "Step"));
  const stop = h("button", { class: "button danger", hidden: true }, "Cancel");
  const notice = h("div", { class: "notice", hidden: true });
  const form = h("form", { class: "form", id: "step-form", novalidate: true },
    who, field("Prompt", prompt), h("div", { class: "field-row" }, field("Seed", seed, seedDice(seed)), field("Steps", steps)),
    ...given.els, notice,
    h("div", { class: "form-buttons" }, go, stop), rewindRow());
  const drafts = keepingDrafts(form, "step");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const now = subject();
    if (!now || go.disabled) return;
    const read = new Reading();
    const words = read.prompt(prompt);
    const chosen = read.whole(seed, "The seed", { optional: true });
    const n = read.whole(steps, "Steps");
    if (!read.ok()) return;
    const before = beforeOf(now);
    /** @type {StepBody} */
    const body = { steps: n, actions: given.actions(n ?? 1) };
    if (words !== before.prompt) body.prompt = words;
    if (chosen !== undefined && chosen !== before.seed) body.seed = chosen;
    const send = () => (now.atHead && now.session ? step(now.session.id, body, form) : forkAndStep(now.node, body, form));
    busy(go, async () => await send() && drafts.sent());
  });
  on(["sessions", "panes", "active", "selection", "nodes", "jobs", "workers"], () => {
    const now = subject();
    if (now) {
      const { prompt: words, seed: old } = beforeOf(now);
      drafts.show(now.atHead ? now.session?.id ?? "" : now.node.id, { prompt: words, seed: String(old ?? "") });
    }
    refreshState(now, { go, stop, notice, who });
  });
  return form;
}

/** Prompt and seed that a step from the subject has unless it is given others. @param {Subject} subject */
function beforeOf({ atHead, session, node }) {
  return atHead && session ? session : { prompt: node.prompt || session?.prompt || "", seed: node.seed ?? session?.seed ?? null };
}

/** @param {Subject|null} now @param {Parts} parts */
function refreshState(now, { go, stop, notice, who }) {
  const session = now?.session ?? null;
  const job = state.jobs.get(session?.running_job ?? "");
  stop.hidden = !job;
  stop.onclick = () => job && cancel(job);
  const closed = now?.atHead && session?.state === "closed" ? session : null;
  go.disabled = !now || Boolean(closed);
  text(who, !now ? "No checkpoint is shown." : now.atHead ? `Continue ${nameOf(now)} from step ${now.node.frame_index}`
    : `From step ${now.node.frame_index} of ${nameOf(now)}, which has gone on: this starts a fork`);
  text(go.children[1], now && !now.atHead ? "Fork here and step" : session?.running_job || session?.queued ? "Queue step" : "Step");
  notice.hidden = !closed;
  fill(notice, closed?.id ?? "", () => [h("p", {}, "This session is closed. Its tree stays."),
    h("button", { class: "button small", onclick: () => closed && reopenSession(closed) }, "Open it again")]);
}

function rewindRow() {
  const n = stepsField(1);
  n.removeAttribute("name"); // no part of what a step is drafted with
  n.setAttribute("aria-label", "Steps to rewind");
  const back = h("button", { class: "button" }, icon("rewind"), "Rewind");
  const save = h("button", { class: "button", title: "Wait until the head is stored" }, icon("save"), "Checkpoint");
  const box = field("Steps to rewind", n);
  box.querySelector("label")?.remove();
  const row = h("div", { class: "rewind-row" }, h("div", { class: "joined" }, back, box), save);
  const headOf = () => {
    const now = subject();
    return now?.atHead ? now.session : null;
  };
  back.addEventListener("click", () => {
    const session = headOf();
    const read = new Reading();
    const count = read.whole(n, "Steps to rewind");
    if (session && read.ok()) busy(back, () => rewind(session.id, { n_steps: count }));
  });
  save.addEventListener("click", () => {
    const session = headOf();
    if (session) busy(save, () => checkpoint(session.id));
  });
  on(["sessions", "panes", "active", "selection", "nodes"], () => {
    const session = headOf();
    row.hidden = !session; // away from the head the card rewinds to the subject
    const open = session?.state === "open";
    back.disabled = !open || !session?.frame_index;
    save.disabled = !open;
    n.max = String(Math.max(1, session?.frame_index ?? 1));
  });
  return row;
}
