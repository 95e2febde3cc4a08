/** Dark or light. The choice is kept in this browser. */

import { touch } from "../state/store.js";

export function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  try {
    localStorage.setItem("arc.theme", root.dataset.theme);
  } catch { /* storage is blocked: the choice lasts until the page is closed */ }
  touch("theme");
}
