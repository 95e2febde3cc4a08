/** The top bar: which session, is it live, how long are the queues, what do the workers do. */

import { showTab } from "../controls/tabs.js";
import { loadInWords } from "../lists/queue.js";
import { here } from "../state/address.js";
import { emit, on, state } from "../state/store.js";
import { subject } from "../state/subject.js";
import { attr, fill, h, text } from "../ui/dom.js";
import { iconButton } from "../ui/fields.js";
import { icon } from "../ui/icons.js";
import { bytes, clip, count, sessionName } from "../ui/format.js";
import { toggleTheme } from "../ui/theme.js";
import { help } from "./help.js";

/** @import { Worker } from "../state/types.js" */

const WORDS = { live: "live", lost: "offline", connecting: "connecting" };

/** @param {HTMLElement} bar */
export function buildHeader(bar) {
  const session = h("button", { class: "session-now", onclick: () => showTab("sessions"), title: "All sessions" });
  const word = h("span");
  const live = h("span", { class: "status", role: "status" }, h("span", { class: "dot" }), word);
  const queue = h("span", { class: "status queue" });
  const fleet = h("span", { class: "workers", role: "list", "aria-label": "Workers" });
  const load = h("span", { class: "status load", hidden: true });
  bar.append(
    h("h1", { class: "brand" }, h("img", { src: here("/static/icon.svg"), alt: "", width: "22", height: "22" }), "Arc Fabric"),
    session, live, queue, fleet, load, h("span", { class: "spacer" }),
    h("button", { class: "button small quiet", title: "All commands (Ctrl+K)", "aria-label": "Commands", onclick: () => emit("palette") },
      icon("search"), h("span", { class: "wide" }, "Commands")),
    iconButton("model", "Storage and model (I)", () => emit("system")),
    iconButton("theme", "Switch between dark and light", toggleTheme),
    iconButton("help", "Help", help, { title: "Keys and help (?)" }),
    ...signOut());
  on(["sessions", "panes", "active", "selection", "nodes"], () => {
    const now = subject()?.session;
    session.hidden = !now;
    text(session, now ? clip(sessionName(now), 44) : "");
  });
  on(["connection"], () => {
    live.dataset.state = state.connection;
    text(word, WORDS[state.connection]);
  });
  on(["jobs", "sessions"], () => {
    text(queue, loadInWords(state.jobs.values()) || "idle");
  });
  on(["workers", "jobs", "ready"], () => showWorkers(fleet));
  on(["workers"], () => showLoad(load));
}

/** Where somebody signed in with a token: whose it is, and the way out. */
function signOut() {
  const name = document.body.dataset.signedIn;
  if (!name) return [];
  return [h("form", { method: "post", action: here("/logout") },
    h("button", { class: "button small quiet", type: "submit", title: `Signed in as ${name}` }, "Sign out"))];
}

/** How busy the devices are; without a GPU, the machine. @param {HTMLElement} box */
function showLoad(box) {
  const live = workers().filter((worker) => worker.state !== "down");
  const gpus = live.flatMap((worker) => (worker.gpu ? [{ of: nameOf(worker), ...worker.gpu }] : []));
  const machine = live.map((worker) => worker.machine).find((facts) => facts?.memory_total_bytes);
  box.hidden = !gpus.length && !machine;
  const more = gpus.map((gpu) => `${gpu.of}: ${gpu.name}, ${percent(gpu.utilisation_percent)} busy, ${memory(gpu)}`);
  if (machine) more.push(`machine: CPU ${percent(machine.cpu_percent)} busy, memory ${memory(machine)}`);
  const words = gpus.length ? [`GPU ${gpus.map((gpu) => percent(gpu.utilisation_percent)).join(" · ")}`, ...gpus.map(memory)]
    : machine ? [`CPU ${percent(machine.cpu_percent)}`, memory(machine)] : [];
  text(box, words.join(" · "));
  attr(box, "title", more.join("\n"));
}

/** @param {number|null} value */
function percent(value) {
  return value === null ? "–" : `${Math.round(value)}%`;
}

/** @param {Record<string, any>} facts  of a device or a machine */
function memory(facts) {
  return `${bytes(facts.memory_used_bytes)} of ${bytes(facts.memory_total_bytes)}`;
}

/** @param {HTMLElement} box */
function showWorkers(box) {
  const list = workers();
  const able = list.some((worker) => !["down", "starting"].includes(stateOf(worker)) && nameOf(worker) !== "media");
  const key = JSON.stringify([able || !state.ready, ...list.map((worker) => [nameOf(worker), stateOf(worker), details(worker)])]);
  fill(box, key, () => [...list.map((worker) => h("span", { class: `worker ${stateOf(worker)}`, role: "listitem", title: details(worker) },
    h("span", { class: "dot" }), nameOf(worker), h("span", { class: "dim" }, ` ${stateOf(worker)}`))),
  !able && state.ready && h("span", { class: "worker none", role: "listitem" }, "no workers: steps will wait")]);
}

/** By name. */
function workers() {
  return [...state.workers.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

/** @param {Worker} worker */
function nameOf(worker) {
  return worker.name.split("@")[0];
}

/** @param {Worker} worker */
function stateOf(worker) {
  return worker.state === "idle" && worker.current_job ? "busy" : worker.state;
}

/** What the worker holds in memory: on its device, else in its process. @param {Worker} worker */
function memoryOf(worker) {
  const { device_bytes: device, rss_bytes: rss } = worker.memory ?? {};
  return device ? `${bytes(device)} on the device` : rss ? bytes(rss) : "";
}

/** @param {Worker} worker */
function details(worker) {
  const { device, model, steps_done: done, queued } = worker;
  return [device, model, memoryOf(worker), `${count(done ?? 0, "step")} done`, queued ? `${queued} queued` : ""].filter(Boolean).join(" · ");
}
