/** Line icons, 24 x 24, drawn by path so that no icon font is needed. */

import { svg } from "./dom.js";

const PATHS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  prev: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  first: "M17 5l-7 7 7 7M6 5v14",
  last: "M7 5l7 7-7 7M18 5v14",
  close: "M6 6l12 12M18 6L6 18",
  help: "M9 9a3 3 0 1 1 4.2 2.7c-.8.4-1.2 1-1.2 2M12 17.5v.1",
  theme: "M12 4v16a8 8 0 0 0 0-16zM12 4a8 8 0 0 0 0 16",
  fork: "M4 12h6M10 12c5 0 4-6 10-6M10 12c5 0 4 6 10 6",
  rewind: "M4 12a8 8 0 1 0 3-6.2M4 4v4.5h4.5",
  step: "M4 12h12M12 7l5 5-5 5M20 6v12",
  save: "M6 4h12v16l-6-4-6 4z",
  retry: "M20 12a8 8 0 1 1-3-6.2M20 4v4.5h-4.5",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5L20 20",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  plus: "M12 5v14M5 12h14",
  loop: "M17 4l3 3-3 3M4 12V9a2 2 0 0 1 2-2h14M7 20l-3-3 3-3M20 12v3a2 2 0 0 1-2 2H4",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  dice: "M5 5h14v14H5zM9 9v.1M15 15v.1M15 9v.1M9 15v.1",
  flag: "M6 21V4h11l-2 4 2 4H6",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  pin: "M9 4h6l-1 6 3 3v2H7v-2l3-3zM12 15v5",
  pixels: "M4 4h5v5H4zM10 10h5v5h-5zM16 16h4v4h-4zM16 4h4v4h-4zM4 16h4v4H4z",
  model: "M4 7c0-4 16-4 16 0v10c0 4-16 4-16 0zM4 7c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};
const FILLED = new Set(["play", "pause", "grid", "pixels"]);

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
  const solid = FILLED.has(name);
  return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: PATHS[name], fill: solid ? "currentColor" : "none", stroke: solid ? "none" : "currentColor" }));
}
