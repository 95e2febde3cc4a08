/** A new evaluation: what it tries from the subject, what that costs, and its start. */

import { settingField } from "../authoring/setting-fields.js";
import * as api from "../net/api.js";
import { putEvaluation, showEvaluation } from "../state/evaluations.js";
import { subject } from "../state/subject.js";
import { state } from "../state/store.js";
import { optionsOf, promptsOf, seedsOf, valuesOf } from "../ui/checks.js";
import { h, text } from "../ui/dom.js";
import { keepingDrafts, showOnFields } from "../ui/draft-form.js";
import { Reading, busy, field, labelField, limit, stepsField } from "../ui/fields.js";
import { bytes, count, seconds, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { problem, toast } from "../ui/toasts.js";

/**
 * @import { Problem } from "../net/api.js"
 * @import { Schemas } from "../state/types.js"
 * @import { Subject } from "../state/subject.js"
 */

const STEPS = 8;
const SEEDS = "0-7";
const FIRST_SCORER = "action_magnitude";
const PAUSE_MS = 350;
const MOST = 100_000_000; // of a limit

/** Ask what to try from the subject; a dialog. */
export async function planEvaluation() {
  const now = subject();
  if (!now) {
    toast("Select a checkpoint first: variants fork there.", { kind: "bad", key: "no-subject" });
    return;
  }
  try {
    const { items } = await api.get("/api/scorers");
    build(now, items);
  } catch (error) {
    problem(error);
  }
}

/** @param {Subject} now @param {Schemas["ScorerView"][]} scorers */
function build({ node, session }, scorers) {
  const prompts = h("textarea", { name: "prompts", rows: "3", placeholder: "one prompt a line" });
  const seeds = h("input", { name: "seeds", placeholder: "0-7, 12" });
  const steps = stepsField(STEPS);
  const label = labelField();
  const limits = limitFields();
  const settings = settingFields(state.model?.abilities.settings ?? []);
  const choices = scorers.map(scorerChoice);
  const cost = h("p", { class: "eval-cost", role: "status" }, "…");
  const go = h("button", { class: "button primary", type: "submit", disabled: true }, icon("play"), "Start");
  const byHand = h("div", { class: "form" },
    h("p", { class: "form-for" }, `From step ${node.frame_index} of ${sessionName(session)}`),
    field("Prompts, one a line", prompts), h("div", { class: "field-row" }, field("Seeds", seeds), field("Steps of each", steps)),
    h("fieldset", { class: "scorers" }, h("legend", {}, "Judged by; the first chosen gives the score"), ...choices.map(({ el }) => el)),
    field("Label", label), settings.el, h("details", {}, h("summary", {}, "Limits"), h("div", { class: "field-row" }, ...limits.els)));
  const file = fromFile(node.id, (there) => {
    byHand.hidden = there;
    estimate();
  });
  const form = h("form", { class: "form", novalidate: true }, file.el, byHand, cost);
  const dialog = h("dialog", { class: "dialog wide", "aria-labelledby": "plan-title" }, h("h2", { id: "plan-title" }, "New evaluation"), form);
  form.append(h("div", { class: "dialog-buttons" }, h("button", { class: "button quiet", onclick: () => dialog.close() }, "Not now"), go));
  const drafts = keepingDrafts(form, "evaluation");
  const read = () => {
    if (file.plan()) return file.plan();
    const reading = new Reading();
    const [lines, numbers, n] = [reading.take(prompts, promptsOf(prompts.value, limit("maxPrompt", 2000))), reading.take(seeds, seedsOf(seeds.value)),
      reading.whole(steps, "Steps")];
    const uses = choices.filter(({ box }) => box.checked)
      .map(({ name, options }) => ({ name, options: reading.take(options, optionsOf(options.value)) }));
    const bounds = limits.read(reading);
    const tried = settings.read(reading);
    if (!reading.fine()) return null;
    return { checkpoints: [node.id], prompts: lines, seeds: numbers, steps: n, scorers: uses, label: label.value.trim() || null,
      model_settings: tried, ...bounds };
  };
  const estimate = estimating(form, cost, go, read);
  let timer = 0;
  form.addEventListener("input", () => {
    go.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(estimate, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const plan = read();
    if (!plan || go.disabled) return;
    busy(go, () => api.post("/api/evaluations", plan).then(({ evaluation }) => {
      drafts.sent();
      dialog.close();
      putEvaluation(evaluation);
      showEvaluation(evaluation.id);
    }, problem));
  });
  dialog.addEventListener("close", () => dialog.remove());
  drafts.show(node.id, { prompts: node.prompt || session?.prompt || "", seeds: SEEDS, steps: String(STEPS), label: "" });
  document.body.append(dialog);
  dialog.showModal();
  estimate();
}

/**
 * Ask the server what the plan would cost; what is wrong with it is said at its fields. The newest answer counts.
 * @param {HTMLFormElement} form @param {HTMLElement} cost @param {HTMLButtonElement} go @param {() => {scorers?: unknown[]}|null} read
 */
function estimating(form, cost, go, read) {
  let asked = 0;
  return async () => {
    const turn = (asked += 1);
    const plan = read();
    go.disabled = true;
    if (!plan?.scorers?.length) return text(cost, plan ? "Choose at least one scorer." : "");
    try {
      const expected = await api.post("/api/evaluations?dry_run=true", plan);
      if (turn !== asked) return undefined;
      go.disabled = false;
      return text(cost, inWords(expected));
    } catch (error) {
      if (turn !== asked) return undefined;
      return text(cost, showOnFields(form, /** @type {Problem} */ (error)) ? "" : /** @type {Error} */ (error).message);
    }
  };
}

/** @param {Schemas["Expected"]} expected */
function inWords({ variants, steps, bytes: size, seconds: time }) {
  return [`${count(variants, "variant")}, ${count(steps, "step")}`, size !== null && `about ${bytes(size)} of storage`,
    time !== null && `about ${seconds(time)}`].filter(Boolean).join(" · ");
}

/** @param {Schemas["ScorerView"]} scorer */
function scorerChoice({ name, description }) {
  const box = h("input", { type: "checkbox", checked: name === FIRST_SCORER });
  const options = h("input", { placeholder: "options, such as limit=0.8", "aria-label": `Options of ${name}`, class: "scorer-options" });
  const el = h("div", { class: "scorer" }, h("label", { title: description }, box, h("b", {}, name), h("span", { class: "dim" }, ` ${description}`)),
    field("", options));
  el.querySelector(".field label")?.remove();
  return { name, box, options, el };
}

/**
 * A plan as `arc-fabric eval run` takes it, in place of what is written by hand.
 * @param {string} checkpoint  where its variants fork if it names none @param {(there: boolean) => void} changed
 */
function fromFile(checkpoint, changed) {
  /** @type {Schemas["PlanBody"]|null} */
  let plan = null;
  const input = h("input", { type: "file", accept: ".toml,application/toml,text/plain" });
  const said = h("span", { class: "dim", role: "status" });
  const without = h("button", { class: "button small", type: "button", hidden: true, onclick: () => take(null, "") }, "Without the file");
  /** @param {Schemas["PlanBody"]|null} found @param {string} words */
  const take = (found, words) => {
    plan = found;
    input.value = "";
    without.hidden = !found;
    text(said, words);
    changed(Boolean(found));
  };
  input.addEventListener("change", async (event) => {
    event.stopPropagation();
    const [chosen] = input.files ?? [];
    if (!chosen) return;
    try {
      /** @type {Schemas["PlanBody"]} */
      const found = await api.post("/api/evaluations/plan", { toml: await chosen.text(), checkpoints: [checkpoint] });
      const judges = (found.scorers ?? []).map(({ name }) => name).join(", ");
      take(found, `${chosen.name}: ${count(found.checkpoints.length, "checkpoint")}, judged by ${judges}`);
    } catch (error) {
      take(null, `${chosen.name}: ${/** @type {Error} */ (error).message}`);
    }
  });
  return { el: h("div", { class: "plan-file" }, field("A plan from a file (TOML)", input), said, without), plan: () => plan };
}

/** Values to try of what the model may be set to. @param {Schemas["ModelSettingView"][]} settings */
function settingFields(settings) {
  const fields = settings.map((setting) => ({ setting, ...settingField(setting) }));
  return {
    el: fields.length ? h("details", {}, h("summary", {}, "Settings of the model, several to try with commas"),
      h("div", { class: "field-row" }, ...fields.map(({ el }) => el))) : null,
    /** @param {Reading} reading @returns {Record<string, number[]>} */
    read(reading) {
      const values = fields.map(({ setting, input }) => reading.take(input, valuesOf(input.value, setting)) ?? []);
      return Object.fromEntries(fields.map(({ setting }, i) => [setting.name, values[i]]).filter(([, given]) => given.length));
    },
  };
}

/** When to stop before all is tried. */
function limitFields() {
  const fields = /** @type {const} */ ([["max_steps", "Steps in all"], ["max_seconds", "Seconds"], ["stop_after_failures", "Failures"]])
    .map(([name, words]) => ({ name, words, input: h("input", { name, type: "number", min: "1", max: MOST, step: "1", placeholder: "no limit" }) }));
  return {
    els: fields.map(({ words, input }) => field(words, input)),
    /** @param {Reading} reading */
    read: (reading) => Object.fromEntries(fields.map(({ name, words, input }) => [name, reading.whole(input, words, { optional: true }) ?? null])),
  };
}
