/** Everything that can be taken from what is on screen: clips, pictures, actions. A dialog. */

import { saveClip } from "../net/clips.js";
import { scale } from "../compare/scale.js";
import { clock } from "../state/clock.js";
import { fps, framesPerStep, lineage, locate, totalFrames } from "../state/lineage.js";
import { LETTERS, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { Reading, busy, choice, field } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { problem, toast } from "../ui/toasts.js";
import { clip, sessionName, slug } from "../ui/format.js";
import { stageCanvas } from "../video/player.js";
import { saveFrom, savePicture, saveText, streamFrom } from "./saving.js";
import { actionsAsCsv } from "./table.js";

/** @typedef {"mp4"|"gif"|"webp"} Form */

/** @type {[Form, string][]} */
const FORMS = [["mp4", "MP4"], ["gif", "GIF"], ["webp", "WebP"]];

/** @type {[string, string][]} */
const DATA = [["lerobot", "LeRobot dataset"], ["rerun", "Rerun recording"], ["parquet", "Parquet"]];

/** Ask what to take. */
export function exportDialog() {
  if (document.querySelector("dialog.export")) return;
  if (!state.panes.length) {
    toast("Open a branch first: then there is something to take away.", { key: "nothing-open" });
    return;
  }
  const dialog = h("dialog", { class: "dialog wide export", "aria-labelledby": "export-title" },
    h("h2", { id: "export-title" }, "Export"), ...build(),
    h("div", { class: "dialog-buttons" }, h("button", { class: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function build() {
  let pane = state.active;
  const [from, to] = scale.view;
  const last = () => Math.max(...state.panes.map((one) => totalFrames(one.nodeId))) - 1;
  const first = h("input", { type: "number", min: "0", max: String(last()), step: "1", value: String(Math.round(from)) });
  const end = h("input", { type: "number", min: "0", max: String(last()), step: "1", value: String(Math.min(last(), Math.round(to))) });
  const rate = h("input", { type: "number", min: "1", max: "60", step: "1", placeholder: `${fps()} (the model's)` });
  /** @type {Form} */
  let form = "mp4";
  const range = (/** @type {number} */ total) => { // of frames that there are
    const reading = new Reading();
    const [a, b] = [reading.whole(first, "The first frame"), reading.whole(end, "The last frame")];
    const n = reading.whole(rate, "Frames per second", { optional: true });
    if (!reading.ok() || a === undefined || b === undefined) return null;
    if (b < a) {
      toast("The last frame lies before the first.", { kind: "bad", key: "range" });
      return null;
    }
    return `from=${a}&to=${Math.max(a, Math.min(b, total - 1)) + 1}&format=${form}${n === undefined ? "" : `&fps=${n}`}`;
  };
  const which = choice("Branch", state.panes.map((_, i) => /** @type {[string, string]} */ ([String(i), LETTERS[i]])), String(pane), (value) => {
    pane = Number(value);
    tell();
  });
  const about = h("p", { class: "hint" });
  const tell = () => text(about, `${LETTERS[pane]}: ${clip(nameOf(pane), 90)}, frames 0 to ${totalFrames(state.panes[pane].nodeId) - 1}`);
  tell();
  const clipOf = async () => {
    const query = range(totalFrames(state.panes[pane].nodeId));
    if (query) await saveClip(`/api/checkpoints/${state.panes[pane].nodeId}/video?${query}`, nameOf(pane));
  };
  const together = async () => {
    const query = range(last() + 1);
    const nodes = state.panes.map((one) => one.nodeId).join(",");
    if (query) await saveFrom(`/api/compare/video?nodes=${nodes}&${query}`, state.panes.map((_, i) => nameOf(i)).join(" "));
  };
  return [
    h("div", { class: "export-rows" },
      h("div", { class: "field" }, h("span", { class: "label" }, "Branch"), which, about),
      h("fieldset", { class: "export-part" }, h("legend", {}, "Clip of a range"),
        h("div", { class: "field-row" }, field("First frame", first), field("Last frame", end), field("Frames per second", rate)),
        choice("Format", FORMS, form, (value) => { form = value; }),
        h("div", { class: "form-buttons" }, action("Save the clip", clipOf),
          distinctPanes() > 1 && action(`Save ${distinctPanes()} panes side by side`, together))),
      h("fieldset", { class: "export-part" }, h("legend", {}, `Frame ${clock.frame}`),
        h("div", { class: "form-buttons" }, action("PNG of the frame, lossless", () => frameOf(pane)),
          state.mode !== "side" && action("PNG of what is on the stage", () => savePicture(stageCanvas, `${state.mode}-frame-${clock.frame}.png`)))),
      h("fieldset", { class: "export-part" }, h("legend", {}, "Data of the branch"),
        h("div", { class: "form-buttons" }, action("Actions as CSV", async () => actionsOf(pane, "csv")),
          action("Actions as JSON", async () => actionsOf(pane, "json")),
          ...DATA.map(([kind, name]) => action(name,
            () => dataset(`/api/checkpoints/${state.panes[pane].nodeId}/export?format=${kind}`, nameOf(pane)))))),
      h("fieldset", { class: "export-part" }, h("legend", {}, "Data of the whole tree"),
        h("div", { class: "form-buttons" },
          ...DATA.map(([kind, name]) => action(`${name} of the tree`, () => dataset(`/api/trees/${state.treeId}/export?format=${kind}`, "tree")))),
        h("p", { class: "hint" }, "A bundle, to take the tree to another server: ", h("code", {}, `arc-fabric export --tree ${state.treeId}`)))),
  ];
}

/** @param {string} path @param {string} name */
async function dataset(path, name) {
  await streamFrom(path, name);
  toast("The file is being made.", { more: "The browser saves it as it comes.", key: "dataset" });
}

/** Panes that end at another checkpoint each. */
function distinctPanes() {
  return new Set(state.panes.map((pane) => pane.nodeId)).size;
}

/** @param {number} pane */
function nameOf(pane) {
  const { nodeId, sessionId } = state.panes[pane];
  return state.nodes.get(nodeId)?.label || sessionName(state.sessions.get(sessionId));
}

/** @param {string} words @param {() => Promise<unknown>} work */
function action(words, work) {
  const button = h("button", { class: "button" }, icon("download"), words);
  button.addEventListener("click", () => busy(button, () => work().catch(problem)));
  return button;
}

/** @param {number} pane */
async function frameOf(pane) {
  const { nodeId } = state.panes[pane];
  const frame = Math.min(clock.frame, totalFrames(nodeId) - 1);
  const place = locate(nodeId, frame);
  if (place) await saveFrom(`/api/checkpoints/${place.node.id}/frames/${place.index}`, `${nameOf(pane)} frame ${frame}`);
}

/** @param {number} pane @param {"csv"|"json"} form */
function actionsOf(pane, form) {
  const path = lineage(state.panes[pane].nodeId);
  const name = `${slug(nameOf(pane))}-actions.${form}`;
  if (form === "json") return saveText(JSON.stringify(path.flatMap((node) => (node.actions ? [node.actions] : []))), "application/json", name);
  const { action_names: names = [] } = state.model?.geometry ?? {};
  return saveText(actionsAsCsv(path, { names, perStep: framesPerStep(), fps: fps() }), "text/csv", name);
}
