/** Files that the page hands to its reader. */

const KEPT_MS = 60_000; // long enough for a browser that asks where to

/** The browser saves what is there, while the page stays. @param {string} href @param {string} [download]  name, where the server gives none */
export function follow(href, download = "") {
  const link = document.createElement("a");
  Object.assign(link, { href, download });
  link.click();
}

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  follow(url, name);
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
