/** What the collector would free: a media worker counts it, the page asks and reads. Nothing is deleted. */

import * as api from "../net/api.js";
import { h, text } from "../ui/dom.js";
import { busy } from "../ui/fields.js";
import { bytes, count, dateTime } from "../ui/format.js";
import { problem } from "../ui/toasts.js";
import { bars, part } from "./parts.js";

/** @import { Schemas } from "../state/types.js" */

const EVERY_MS = 1000;
const PATIENCE_MS = 60_000;

export function freeablePart() {
  const facts = h("div", {});
  const note = h("p", { class: "hint", role: "status" });
  const again = h("button", { class: "button small" }, "Count what would be freed");
  const section = part("What the collector would free", facts, note, h("div", { class: "node-buttons" }, again));
  const show = (/** @type {Schemas["FreeableAnswer"]} */ { report }) => {
    facts.replaceChildren(...(report ? inRows(report) : []));
    text(note, report ? `Counted ${dateTime(report.counted)}; nothing is deleted by counting.` : "Not counted yet.");
    text(again, report ? "Count again" : "Count what would be freed");
  };
  again.addEventListener("click", () => busy(again, async () => {
    text(note, "A media worker looks at everything that is stored …");
    await counted(show, section).catch(problem);
  }));
  api.get("/api/storage/freeable").then(show, problem);
  return section;
}

/** Ask, and wait for the answer while the dialog is open. @param {(answer: Schemas["FreeableAnswer"]) => void} show @param {Element} section */
async function counted(show, section) {
  let answer = await api.post("/api/storage/freeable");
  const until = performance.now() + PATIENCE_MS;
  while (answer.asked && section.isConnected) {
    if (performance.now() > until) throw new Error("No media worker has answered yet. The count goes on by itself; look again later.");
    await new Promise((done) => { setTimeout(done, EVERY_MS); });
    answer = await api.get("/api/storage/freeable");
  }
  show(answer);
}

/** @param {Schemas["FreeableReport"]} found */
function inRows(found) {
  const row = (/** @type {string} */ name, /** @type {number} */ objects, /** @type {number} */ size, what = "object") => (
    { name, size, words: `${bytes(size)} in ${count(objects, what)}` });
  const always = [row("May go now", found.objects, found.bytes), row("Waits out its grace", found.waiting_objects, found.waiting_bytes)];
  const rare = [
    row("Checkpoints without a node", found.orphans, found.orphan_bytes, "checkpoint"),
    row("Old KV beyond the budget", found.kv_checkpoints, found.kv_bytes, "checkpoint"),
    row("Left by resting trees", found.leftover, found.leftover_bytes),
  ].filter(({ size }) => size > 0);
  const words = [
    found.clips && `of these ${bytes(found.clip_bytes)} in ${count(found.clips, "clip")}`,
    found.inputs && `${bytes(found.input_bytes)} in ${count(found.inputs, "given picture")}`,
    found.expired_trees && `${count(found.expired_trees, "tree")} past the time of retention`,
    found.budget_bytes && `${bytes(found.stored_bytes ?? 0)} stored of a budget of ${bytes(found.budget_bytes)}`,
    found.unreadable && `${count(found.unreadable, "manifest")} cannot be read: nothing is deleted; see arc-fabric fsck`,
  ].filter(Boolean);
  return [bars([...always, ...rare]), h("p", { class: "hint" }, words.join(" · "))];
}
