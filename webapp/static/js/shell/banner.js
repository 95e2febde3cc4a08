/** The line under the header when the connection is lost. */

import { retryNow, stream } from "../net/stream.js";
import { on, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";

/** @param {HTMLElement} bar */
export function buildBanner(bar) {
  const words = h("span", {});
  bar.append(h("span", { class: "dot" }), words, h("button", { class: "button small", onclick: retryNow }, "Try now"));
  let timer = 0;
  const tell = () => {
    const left = Math.max(0, Math.ceil((stream.retryAt - Date.now()) / 1000));
    text(words, "The connection to the server is lost. What you see may be old; it comes back by itself. "
      + `Next attempt ${left ? `in ${left} s` : "now"}.`);
  };
  on(["connection"], () => {
    bar.hidden = state.connection !== "lost";
    clearInterval(timer);
    if (bar.hidden) return;
    tell();
    timer = setInterval(tell, 500);
  });
}
