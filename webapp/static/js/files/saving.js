/** Files that the server makes, or the page itself, under the name of their branch. */

import { Problem, head } from "../net/api.js";
import { here } from "../state/address.js";
import { slug } from "../ui/format.js";
import { follow, save } from "../ui/save.js";

/**
 * Fetch a file and hand it to the reader. Raises what the server said.
 * @param {string} path @param {string} name  the branch's; it goes before the server's name of the file
 */
export async function saveFrom(path, name) {
  const answer = await fetch(here(path)).catch(() => null);
  if (!answer) throw new Problem(0, { detail: "The server does not answer." });
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  const given = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "file";
  save(await answer.blob(), `${slug(name)}-${given.replace(/^ckp_\w+-/, "")}`);
}

/**
 * Have the browser fetch a file of any size straight to its disk. Raises what the server has against it.
 * @param {string} path  of an export @param {string} name  the branch's
 */
export async function streamFrom(path, name) {
  const whole = `${path}&name=${encodeURIComponent(slug(name))}`;
  await head(whole);
  follow(here(whole));
}

/** @param {string} text @param {string} kind  its MIME type @param {string} name */
export function saveText(text, kind, name) {
  save(new Blob([text], { type: kind }), name);
}

/** What a canvas shows, as PNG. @param {HTMLCanvasElement} canvas @param {string} name */
export function savePicture(canvas, name) {
  return new Promise((resolve, reject) => canvas.toBlob((blob) => {
    if (blob) resolve(save(blob, name));
    else reject(new Error("The picture could not be made."));
  }, "image/png"));
}
