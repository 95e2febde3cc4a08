/** Theatre: the videos have the whole window. */

import { emit } from "../state/store.js";

export function toggleTheatre() {
  document.body.classList.toggle("theatre");
  emit("redraw");
}
