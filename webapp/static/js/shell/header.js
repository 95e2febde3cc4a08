/** The top bar: which session, is it live, how long are the queues, what do the workers do. */

import { showTab } from "../controls/tabs.js";
import { activeSession, on, state } from "../state/store.js";
import { attr, h, text } from "../ui/dom.js";
import { bytes, clip, count, sessionName } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { toggleTheme } from "../ui/theme.js";
import { help } from "./help.js";

const WORDS = { live: "live", lost: "offline", connecting: "connecting" };

/** @param {HTMLElement} bar */
export function buildHeader(bar) {
  const session = h("button", { class: "session-now", type: "button", onclick: () => showTab("sessions"), title: "All sessions" });
  const live = h("span", { class: "status", role: "status" }, h("span", { class: "dot" }), h("span", {}));
  const queue = h("span", { class: "status queue" });
  const workers = h("span", { class: "workers", role: "list", "aria-label": "Workers" });
  const load = h("span", { class: "status load", hidden: true });
  bar.append(
    h("h1", { class: "brand" }, h("img", { src: "/static/icon.svg", alt: "", width: "22", height: "22" }), "Arc Fabric"),
    session, live, queue, workers, load, h("span", { class: "spacer" }),
    h("button", { class: "icon-button", type: "button", title: "Dark or light", "aria-label": "Switch between dark and light", onclick: toggleTheme }, icon("theme")),
    h("button", { class: "icon-button", type: "button", title: "Keys and help (?)", "aria-label": "Help", onclick: help }, icon("help")),
    ...signOut());
  on("sessions panes active", () => {
    const now = activeSession();
    session.hidden = !now;
    text(session, now ? clip(sessionName(now), 44) : "");
  });
  on("connection", () => {
    live.dataset.state = state.connection;
    text(live.lastElementChild, WORDS[state.connection]);
  });
  on("jobs sessions", () => {
    const waiting = [...state.jobs.values()].filter((job) => job.state === "queued").length;
    const running = [...state.jobs.values()].filter((job) => job.state === "running").length;
    text(queue, running || waiting ? `${count(running, "job")} running · ${waiting} queued` : "idle");
  });
  on("workers jobs", () => showWorkers(workers));
  on("workers", () => showLoad(load));
}

/** Where somebody signed in with a token: whose it is, and the way out. */
function signOut() {
  const name = document.body.dataset.signedIn;
  if (!name) return [];
  return [h("form", { method: "post", action: "/logout" },
    h("button", { class: "button small quiet", type: "submit", title: `Signed in as ${name}` }, "Sign out"))];
}

/** How busy the devices are; without a GPU, the machine. */
function showLoad(box) {
  const live = [...state.workers.values()].filter((worker) => stateOf(worker) !== "down").sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const gpus = live.filter((worker) => worker.gpu).map((worker) => [nameOf(worker), worker.gpu]);
  const machine = live.map((worker) => worker.machine).find((facts) => facts?.memory_total_bytes);
  box.hidden = !gpus.length && !machine;
  if (box.hidden) return;
  const memory = (facts) => `${bytes(facts.memory_used_bytes)} of ${bytes(facts.memory_total_bytes)}`;
  const percent = (value) => (value === null ? "–" : `${Math.round(value)}%`);
  const words = gpus.length ? `GPU ${gpus.map(([, gpu]) => percent(gpu.utilisation_percent)).join(" · ")}` : `CPU ${percent(machine.cpu_percent)}`;
  const more = gpus.map(([name, gpu]) => `${name}: ${gpu.name}, ${percent(gpu.utilisation_percent)} busy, ${memory(gpu)}`);
  if (machine) more.push(`machine: CPU ${percent(machine.cpu_percent)} busy, memory ${memory(machine)}`);
  const used = gpus.length ? gpus.map(([, gpu]) => memory(gpu)).join(" · ") : memory(machine);
  text(box, `${words} · ${used}`);
  attr(box, "title", more.join("\n"));
}

function showWorkers(box) {
  const list = [...state.workers.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const key = JSON.stringify(list.map((worker) => [nameOf(worker), stateOf(worker), details(worker)]));
  if (box.arcKey === key) return;
  box.arcKey = key;
  const chips = list.map((worker) => h("span", { class: `worker ${stateOf(worker)}`, role: "listitem", title: details(worker) },
    h("span", { class: "dot" }), nameOf(worker), h("span", { class: "dim" }, ` ${stateOf(worker)}`)));
  const able = list.some((worker) => !["down", "starting"].includes(stateOf(worker)) && nameOf(worker) !== "media");
  box.replaceChildren(...chips, ...(able || !state.ready ? [] : [h("span", { class: "worker none", role: "listitem" }, "no workers: steps will wait")]));
}

function nameOf(worker) {
  return String(worker.name).split("@")[0];
}

function stateOf(worker) {
  return worker.state === "busy" || (worker.state === "idle" && worker.current_job) ? "busy" : worker.state;
}

/** What the worker holds in memory: on its device, else in its process. */
function memoryOf(worker) {
  const { device_bytes: device, rss_bytes: rss } = worker.memory ?? {};
  return device ? `${bytes(device)} on the device` : rss ? bytes(rss) : "";
}

function details(worker) {
  return [worker.device, worker.model, memoryOf(worker), `${count(worker.steps_done ?? 0, "step")} done`, worker.queued ? `${worker.queued} queued` : ""].filter(Boolean).join(" · ");
}
