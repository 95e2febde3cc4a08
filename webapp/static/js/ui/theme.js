/** Dark or light. The choice is kept in this browser. */

import { touch } from "../state/store.js";
import { store } from "./memory.js";

export function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "light" ? "dark" : "light";
  store("theme", root.dataset.theme);
  touch("theme");
}
