/** The HTTP API: JSON in and out; a problem body becomes a `Problem` with cause and way out. */

import { here } from "../state/address.js";
import { meaning, wayOut } from "./words.js";

/** @import { Node, Tree } from "../state/types.js" */

/** An error answer of the server (application/problem+json), or the network's silence (status 0). */
export class Problem extends Error {
  /** @param {number} status @param {Record<string, any>} body */
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.whatToDo = wayOut(body.code, body.what_to_do);
    /** @type {{field: string, words: string}[]} what is wrong with which field of the request */
    this.fields = (body.errors ?? []).map((/** @type {Record<string, string>} */ one) => ({ field: one.field, words: meaning(one.expected) }));
    if (this.fields.length) this.message = this.fields.map(({ field, words }) => `${field.replace(/^new_/, "")} ${words}`).join("; ");
  }
}

/**
 * @param {string} method @param {string} path @param {Object} [body]  sent as JSON
 * @returns {Promise<any>}
 */
async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = randomKey();
  const response = await fetch(here(path), { method, headers, body: body && JSON.stringify(body) }).catch(() => {
    throw new Problem(0, { title: "The server does not answer", detail: "The request could not be sent.",
      what_to_do: "Check that arc-fabric is running; the page reconnects by itself." });
  });
  if (response.status === 401) location.assign(here("/login"));
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, data);
  return data;
}

/** Random key for POSTs (crypto.randomUUID does not exist on plain http from another host). */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export const get = (/** @type {string} */ path) => call("GET", path);
export const post = (/** @type {string} */ path, body = {}) => call("POST", path, body);
export const patch = (/** @type {string} */ path, /** @type {Object} */ body) => call("PATCH", path, body);
export const remove = (/** @type {string} */ path) => call("DELETE", path);

/** Where the last frame of a node's own is. @param {Node} node */
export function pictureOf({ id, n_frames: count }) {
  return here(`/api/checkpoints/${id}/frames/${Math.max(0, (count || 1) - 1)}`);
}

/** A picture as the server reads it, before it is used for anything. @param {string} data  base64, or a data URL */
export async function picture(data) {
  const response = await fetch(here("/api/pictures/preview"), { method: "POST", body: JSON.stringify({ picture: data }),
    headers: { "Content-Type": "application/json", Accept: "image/png, application/json" } }).catch(() => null);
  if (!response) throw new Problem(0, { detail: "The server does not answer." });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const [width, height] = (response.headers.get("X-Picture-Size") ?? "0x0").split("x").map(Number);
  return { blob: await response.blob(), width, height };
}

/** An answer's status and headers without its body; a refusal is asked for again to hear why. @param {string} path */
export async function head(path) {
  const answer = await fetch(here(path), { method: "HEAD" }).catch(() => null);
  if (answer?.ok) return answer;
  await get(path);
  return fetch(here(path), { method: "HEAD" });
}

/**
 * All items of a paged list; at most `limit` pages.
 * @param {string} path
 * @returns {Promise<any[]>}
 */
export async function list(path, limit = 20) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < limit; page += 1) {
    const body = await get(cursor ? `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}` : path);
    items.push(...body.items);
    cursor = body.next;
    if (!cursor) break;
  }
  return items;
}

/**
 * The tree of a session with all its pages joined.
 * @param {string} sessionId
 * @returns {Promise<Tree>}
 */
export async function tree(sessionId) {
  const path = `/api/sessions/${sessionId}/tree`;
  const whole = await get(path);
  for (let next = whole.next; next;) {
    const more = await get(`${path}?cursor=${encodeURIComponent(next)}`);
    whole.nodes.push(...more.nodes);
    whole.sessions.push(...more.sessions);
    next = more.next;
  }
  return whole;
}
