/**
 * The picture a world begins with: a sample, or one's own by choosing, dropping or pasting a file. One's own is shown as the
 * server reads it, with the part that the model gets. While a picture is refused or still being read, nothing can be started.
 */

import * as api from "../net/api.js";
import { here } from "../state/address.js";
import { state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { fitting } from "../ui/pictures.js";
import { buildPreview } from "./picture-preview.js";

/**
 * @import { Sample } from "../state/types.js"
 * @typedef {Object} Chosen
 * @property {string|null} frame  as the API takes it; "": the world begins without; null: none, or none that can be used
 * @property {string} why  what is wrong, or what is being done; "": nothing
 */

const NONE = "Choose an initial frame first.";

export function buildPictureField() {
  const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp", class: "file", "aria-label": "Upload an initial frame" });
  const samples = h("div", { class: "samples", role: "radiogroup", "aria-label": "Initial frame" });
  const wrong = h("p", { class: "field-wrong", role: "alert" });
  const preview = buildPreview();
  const el = h("div", { class: "field picture-field" }, h("span", { class: "label" }, "Initial frame: choose, drop or paste a picture"),
    samples, preview.el, wrong);
  /** @type {Chosen} */
  let chosen = { frame: null, why: NONE };
  const set = (/** @type {string|null} */ frame, why = "") => {
    chosen = { frame, why };
    text(wrong, why);
    return chosen;
  };
  const take = async (/** @type {File|undefined} */ picked) => {
    if (!picked) return;
    uncheck(samples, file, clip(picked.name, 12));
    preview.hide();
    const mine = set(null, "The picture is being read …");
    try {
      const { data, note } = await fitting(picked);
      const bitmap = await preview.load(await api.picture(data), picked.name, note);
      if (chosen !== mine) return;
      preview.show(bitmap);
      set(data);
    } catch (error) {
      if (chosen === mine) set(null, `${clip(picked.name, 40)} cannot be used: ${/** @type {Error} */ (error).message} Choose another picture.`);
    }
  };
  file.addEventListener("change", () => { take(file.files?.[0]); file.value = ""; });
  samples.addEventListener("change", (event) => {
    const radio = /** @type {HTMLInputElement} */ (event.target);
    if (radio.type !== "radio") return;
    preview.hide();
    set(radio.value);
  });
  return {
    el,
    /** The chosen picture, "" for none; what is in the way of it is said. */
    frame() {
      text(wrong, chosen.why);
      if (chosen.frame === null) file.focus();
      return chosen.frame;
    },
    /** A model that needs no picture has the choice of none, chosen at once. @param {Sample} [first]  chosen else */
    showSamples(first) {
      const without = state.model?.abilities.needs_picture === false;
      const preset = without ? undefined : first;
      const now = (/** @type {Sample} */ sample) => (chosen.frame ? sample.initial_frame === chosen.frame : sample === preset);
      samples.replaceChildren(...without ? [none(!chosen.frame)] : [], ...state.samples.map((sample) => option(sample, now(sample))), own(file));
      if (without && !chosen.frame) set("");
      else if (first && chosen.why === NONE) set(first.initial_frame);
    },
    /** Pictures dropped on this element, or pasted while it is shown, are taken. @param {HTMLElement} place */
    takesFrom: (place) => listen(place, el, take),
  };
}

/** @param {HTMLElement} place @param {HTMLElement} el  the field @param {(file: File|undefined) => unknown} take */
function listen(place, el, take) {
  place.addEventListener("dragover", (event) => { event.preventDefault(); el.classList.add("over"); });
  place.addEventListener("dragleave", () => el.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    el.classList.remove("over");
    take(pictureIn(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const pasted = place.offsetParent && pictureIn(event.clipboardData);
    if (!pasted) return;
    event.preventDefault();
    take(pasted);
  });
}

/** @param {DataTransfer|null} data */
function pictureIn(data) {
  return [...data?.files ?? []].find((one) => one.type.startsWith("image/")) ?? data?.files[0];
}

/** @param {Sample} sample @param {boolean} checked */
function option(sample, checked) {
  const words = sample.name.replaceAll(/[_-]/g, " ");
  const radio = h("input", { type: "radio", name: "sample", value: sample.initial_frame, checked, "aria-label": words });
  return h("label", { class: "sample", title: words }, radio, h("img", { src: here(sample.url), alt: "", width: "64", height: "64" }));
}

/** To begin from the prompt alone. @param {boolean} checked */
function none(checked) {
  const radio = h("input", { type: "radio", name: "sample", value: "", checked, "aria-label": "No picture" });
  return h("label", { class: "sample upload", title: "The world begins from its prompt alone" }, radio, h("span", {}, "None"));
}

/** @param {HTMLInputElement} file */
function own(file) {
  return h("label", { class: "sample upload", title: "Your own picture: PNG, JPEG or WebP" }, file, icon("plus"), h("span", {}, "Upload"));
}

/** @param {HTMLElement} samples @param {HTMLInputElement} file @param {string} name */
function uncheck(samples, file, name) {
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (samples.querySelectorAll("input[type=radio]"))) radio.checked = false;
  file.parentElement?.classList.add("chosen");
  const words = file.parentElement?.querySelector("span");
  if (words) text(words, name);
}
