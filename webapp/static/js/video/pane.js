/** One pane: a branch's letter, name, picture and facts. */

import { saveClip } from "../net/clips.js";
import { here } from "../state/address.js";
import { stepsAt, totalFrames } from "../state/lineage.js";
import { paneTotal } from "../state/live.js";
import { activate, close } from "../state/panes.js";
import { LETTERS, emit, on, state } from "../state/store.js";
import { paneColour } from "../ui/colours.js";
import { attr, h, text } from "../ui/dom.js";
import { iconButton } from "../ui/fields.js";
import { clip, sessionName, short } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { context, keepFitted, paint } from "./draw.js";
import { lens, seen } from "./lens.js";
import { pixels } from "./looking.js";

/** @import { Picture } from "./pictures.js" */
/** @import { Job, Node, Session } from "../state/types.js" */

/** A pane's elements and how to refresh them. */
export class PaneView {
  /** @param {number} index */
  constructor(index) {
    this.index = index;
    this.title = h("span", { class: "pane-title" });
    this.chips = h("span", { class: "chips" });
    this.canvas = h("canvas", { class: "picture", role: "img", "aria-label": `${LETTERS[index]}, loading` });
    keepFitted(this.canvas, () => emit("redraw"));
    this.note = h("span", { class: "pane-note" });
    this.where = h("span", { class: "pane-where" });
    this.pixel = h("span", { class: "pane-pixel" });
    on(["pixel"], () => text(this.pixel, pixels[index] ?? ""));
    this.tools = h("span", { class: "pane-tools" });
    this.el = h("article", { class: "pane", onpointerdown: () => activate(index) },
      h("header", { class: "pane-head" },
        h("button", { class: "letter", onclick: () => activate(index) }, LETTERS[index]),
        this.title, this.tools),
      h("div", { class: "frame" }, this.canvas, this.note),
      h("footer", { class: "pane-foot" }, this.where, this.pixel, this.chips));
    this.el.style.setProperty("--own", paneColour(index));
    this.video = h("a", { class: "icon-button", title: "Download as MP4", "aria-label": `Download ${LETTERS[index]} as MP4`,
      onclick: (/** @type {Event} */ event) => this.download(event) }, icon("download"));
    this.shut = iconButton("close", `Close pane ${LETTERS[index]}`, (event) => { event.stopPropagation(); close(index); });
    this.tools.append(this.video, this.shut);
    /** @type {unknown[]} what the canvas shows */ this.painted = [];
  }

  /** Names, chips and buttons. */
  refresh() {
    const pane = state.panes[this.index];
    const node = state.nodes.get(pane.nodeId);
    const session = state.sessions.get(pane.sessionId);
    const name = node ? node.label || session?.label || node.prompt : "…";
    text(this.title, name || sessionName(session));
    attr(this.title, "title", node?.prompt ?? "");
    this.el.classList.toggle("active", this.index === state.active && state.panes.length > 1);
    attr(this.el, "aria-label", `Pane ${LETTERS[this.index]}: ${name}`);
    attr(this.video, "href", here(`/api/checkpoints/${pane.nodeId}/video`));
    attr(this.video, "download", name || sessionName(session));
    this.shut.hidden = state.panes.length < 2;
    this.refreshChips(node, session);
  }

  /** What the pane shows, as a file. @param {Event} event */
  download(event) {
    event.preventDefault();
    saveClip(this.video.getAttribute("href") ?? "", this.video.getAttribute("download") ?? "");
  }

  /** @param {Node|undefined} node @param {Session|undefined} session */
  refreshChips(node, session) {
    const chips = [];
    const job = session?.running_job ? state.jobs.get(session.running_job) : null;
    if (session?.running_job) chips.push(["live", job ? progressOf(job) : "stepping"]);
    else if (session?.queued) chips.push(["wait", `queued ${session.queued}`]);
    if (node?.failed) chips.push(["bad", "failed"]);
    if (node?.durability === "damaged") chips.push(["bad", "damaged"]);
    if (node?.durability === "pending") chips.push(["wait", "storing"]);
    if (session?.state === "closed") chips.push(["calm", "closed"]);
    if (typeof node?.score === "number") chips.push(["calm", `score ${short(node.score)}`]);
    this.chips.replaceChildren(...chips.map(([kind, label]) => h("span", { class: `chip ${kind}` }, label)));
  }

  /** Put the picture on the canvas, unless just that is on it already. @param {Picture|null} picture */
  paint(picture) {
    const { width, height } = this.canvas;
    const key = [picture?.image, picture?.y, state.smooth, width, height, lens.scale, lens.x, lens.y];
    if (key.every((part, i) => part === this.painted[i])) return;
    this.painted = key;
    const ctx = context(this.canvas);
    if (picture) paint(ctx, seen(picture));
    else ctx.clearRect(0, 0, width, height);
  }

  /** Show the picture of a frame; null: it could not be had. @param {Picture|null} picture @param {number} frame */
  draw(picture, frame) {
    const pane = state.panes[this.index];
    this.paint(picture);
    this.canvas.dataset.frame = String(frame);
    const last = totalFrames(pane.nodeId) - 1;
    const ended = frame > paneTotal(pane) - 1;
    text(this.note, picture ? (ended ? `ends at frame ${last}` : "") : "This frame could not be loaded");
    this.el.classList.toggle("ended", ended);
    const step = Math.min(stepsAt(frame), stepsAt(last));
    text(this.where, `step ${step} / ${stepsAt(last)}`);
    attr(this.canvas, "aria-label", `${LETTERS[this.index]}, frame ${Math.min(frame, last)}: ${clip(state.nodes.get(pane.nodeId)?.prompt, 80)}`);
  }
}

/** @param {Job} job */
function progressOf({ progress: { done, total } }) {
  return total > 1 ? `step ${done + 1}/${total}` : "stepping";
}
