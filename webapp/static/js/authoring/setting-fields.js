/** Fields for what the running model takes per session: guidance, sampler steps, whatever it declares. An empty one is as by default. */

import { on, state } from "../state/store.js";
import { valuesOf } from "../ui/checks.js";
import { fill, h } from "../ui/dom.js";
import { field } from "../ui/fields.js";

/**
 * @import { Schemas } from "../state/types.js"
 * @import { Reading } from "../ui/fields.js"
 * @typedef {Record<string, number>} Settings  those that are not as by default
 */

/** @param {Schemas["ModelSettingView"]} setting @param {string} [more]  of the placeholder */
export function settingField({ name, description, default: own, low, high }, more = "") {
  const input = h("input", { name: fieldName(name), title: description ?? "", placeholder: `${own}; ${low} to ${high}${more}` });
  return { input, el: field(name.replaceAll("_", " "), input) };
}

/** @param {string} name */
function fieldName(name) {
  return `setting.${name}`;
}

/** The fields, hidden where the model takes none. */
export function buildSettings() {
  const row = h("div", { class: "field-row" });
  const el = h("details", { hidden: true }, h("summary", {}, "Settings of the model"), row);
  /** @type {{setting: Schemas["ModelSettingView"], input: HTMLInputElement}[]} */
  let fields = [];
  const build = () => {
    const settings = state.model?.abilities.settings ?? [];
    el.hidden = !settings.length;
    fill(row, JSON.stringify(settings), () => {
      const made = settings.map((setting) => ({ setting, ...settingField(setting) }));
      fields = made;
      return made.map(({ el: one }) => one);
    });
  };
  on(["model"], build);
  build();
  return {
    el,
    /** What a draft holds of these. @param {Settings|undefined} settings */
    drafted: (settings) => Object.fromEntries(fields.map(({ setting: { name } }) => [fieldName(name), String(settings?.[name] ?? "")])),
    /** What is written; null: as before. @param {Reading} reading @param {Settings|undefined} before @returns {Settings|null} */
    read(reading, before) {
      /** @type {Settings} */
      const found = {};
      for (const { setting, input } of fields) {
        const [value] = reading.take(input, valuesOf(input.value, setting, 1)) ?? [];
        if (value !== undefined) found[setting.name] = value;
      }
      const isSame = fields.every(({ setting: { name, default: own } }) => (found[name] ?? own) === (before?.[name] ?? own));
      return isSame ? null : found;
    },
  };
}
