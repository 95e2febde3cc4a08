/** Addresses of this server: the page may lie under a path of a reverse proxy, and the API lies beside it. */

/** The folder that the page is in. */
function root() {
  return (globalThis.location?.pathname ?? "/").replace(/[^/]*$/, "");
}

/** What the server calls `/api/...`, from here. @param {string} path */
export function here(path) {
  return path.startsWith(root()) ? path : root() + path.replace(/^\//, "");
}
