/** Storage, memory and the model, for whoever runs the system or wants to know what computed the pictures. A dialog. */

import * as api from "../net/api.js";
import { here } from "../state/address.js";
import { state } from "../state/store.js";
import { h } from "../ui/dom.js";
import { bytes, clip, count, dateTime, shortId } from "../ui/format.js";
import { problem } from "../ui/toasts.js";
import { freeablePart } from "./freeable.js";
import { bars, part } from "./parts.js";

/** @import { Schemas } from "../state/types.js" */

const MOST_TREES = 12;

export async function systemDialog() {
  if (document.querySelector("dialog[open]")) return;
  const body = h("div", { class: "system" }, h("p", { class: "hint", role: "status" }, "Counting what is stored …"));
  const dialog = h("dialog", { class: "dialog help system-dialog", "aria-labelledby": "system-title" },
    h("h2", { id: "system-title" }, "Storage and model"), body,
    h("div", { class: "dialog-buttons" }, h("button", { class: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  const [storage, trees] = await Promise.allSettled([api.get("/api/storage"), api.get("/api/trees?limit=200")]);
  if (storage.status === "rejected") problem(storage.reason);
  body.replaceChildren(
    storage.status === "fulfilled" ? storagePart(storage.value) : h("p", { class: "hint" }, "The storage does not answer."),
    freeablePart(), memoryPart(),
    ...(trees.status === "fulfilled" ? [treesPart(trees.value)] : []), modelPart(), linksPart());
}

/** @param {Schemas["StorageAnswer"]} storage */
function storagePart({ bucket, kinds, objects, truncated, nodes_pending: pending }) {
  const rows = Object.entries(kinds)
    .map(([name, kind]) => ({ name, size: kind.bytes, words: `${bytes(kind.bytes)} in ${count(kind.objects, "object")}` }))
    .sort((a, b) => b.size - a.size);
  const onTheWay = pending ? `${count(pending, "checkpoint")} on the way to storage` : "all checkpoints are stored";
  return part(`Object storage: ${bytes(d3.sum(rows, ({ size }) => size))} in ${bucket}`, bars(rows),
    h("p", { class: "hint" }, `${truncated ? "more than " : ""}${count(objects, "object")} · ${onTheWay}`));
}

/** The tiers above storage, as the workers hold them. */
function memoryPart() {
  const tiers = [...state.workers.values()].filter((worker) => worker.state !== "down")
    .flatMap(({ name, memory }) => Object.entries(memory ?? {}).map(([tier, size]) => (
      { name: `${name.split("@")[0]} · ${tier.replace(/_bytes$/, "").replaceAll("_", " ")}`, size, words: bytes(size) })));
  return part("Memory of the workers, by tier", bars(tiers));
}

/** Checkpoints of each; of the one on screen also its bytes. @param {Schemas["TreePage"]} page  the newest ones */
function treesPart({ items: trees, next }) {
  const own = d3.sum([...state.nodes.values()].filter((node) => node.tree_id === state.treeId), (node) => node.bytes_new);
  const rows = [...trees].sort((a, b) => b.nodes - a.nodes).slice(0, MOST_TREES).map((tree) => ({
    name: clip(tree.labels[0] || tree.prompt || shortId(tree.id), 60), size: tree.nodes,
    words: [count(tree.nodes, "checkpoint"), tree.id === state.treeId ? bytes(own) : tree.resting && "at rest", dateTime(tree.created)]
      .filter(Boolean).join(" · "),
  }));
  const of = next ? `the newest ${trees.length}` : trees.length;
  return part(`Trees, the largest first${trees.length > MOST_TREES ? ` (${MOST_TREES} of ${of})` : ""}`, bars(rows));
}

function modelPart() {
  const { model } = state;
  if (!model) return part("Model", h("p", { class: "hint" }, "No worker has loaded it yet."));
  const { geometry: g, abilities, identity } = model;
  const { settings } = abilities;
  const rows = [
    ["Name", model.name],
    ["Pictures", `${g.image_width} × ${g.image_height}, ${g.fps} frames a second, ${g.frames_per_step} a step`],
    ["Window", `${g.window} latent frames of ${g.latent_channels} × ${g.latent_height} × ${g.latent_width}`],
    ["Network", `${g.layers} layers, ${g.heads} heads of ${g.head_dim}`],
    ["Actions", `${g.action_horizon} of ${g.action_dim} a step: ${g.action_names.join(", ") || "not named"}`],
    ["Can",
      Object.entries(abilities).filter(([, can]) => can === true).map(([name]) => name.replaceAll("_", " ")).join(", ")],
    ["Settings", settings?.map(({ name, default: own, low, high }) => `${name} ${own} (${low} to ${high})`).join(", ") || "none per session"],
    ["Weights", clip(identity.weights_digest, 24)],
    ["Computes", `${identity.dtype} with ${identity.attention_backend} on ${identity.device_kind}`],
  ];
  return part("Model", h("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function linksPart() {
  const link = (/** @type {string} */ href, /** @type {string} */ words) => (
    h("a", { class: "button small", href, target: "_blank", rel: "noopener" }, words));
  const port = document.body.dataset.flowerPort;
  const flower = port && location.hostname ? link(`${location.protocol}//${location.hostname}:${port}/`, "Flower") : null;
  const links = [link(here("/openapi"), "API"), link(here("/metrics"), "Metrics"), link(here("/readyz"), "Readiness"), flower];
  const hint = h("p", { class: "hint" }, "Flower listens on this machine alone: ", h("code", {}, "arc-fabric up"), " prints its address.");
  return part("Elsewhere", h("div", { class: "node-buttons" }, ...links), ...(flower ? [] : [hint]));
}
