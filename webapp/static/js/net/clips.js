/** Saving a branch as a clip: a short one comes at once, a long one is a job that the page waits for. */

import { putJob } from "../state/events.js";
import { isOver } from "../state/jobs.js";
import { on, state, touch } from "../state/store.js";
import { problem, toast } from "../ui/toasts.js";
import * as api from "./api.js";

/** @type {Set<string>} Jobs whose clip is to be saved once it is made. */
const wanted = new Set();

/** @param {string} url  a `.../video` address */
export async function saveClip(url) {
  try {
    const answer = await api.head(url);
    if (answer.status !== 202) {
      save(url);
      return;
    }
    const job = await api.get(answer.headers.get("Location") ?? "");
    wanted.add(job.id);
    putJob(job);
    touch("jobs"); // an event may have said already that it is done
    toast("The clip is being made.", { more: "It is a job in the list; the file is saved when it is done." });
  } catch (error) {
    problem(error);
  }
}

/** Look whether a wanted clip is done whenever a job changes. */
export function watchClips() {
  on(["jobs"], () => {
    for (const id of wanted) {
      const job = state.jobs.get(id);
      if (!job || !isOver(job)) continue;
      wanted.delete(id);
      if (job.result) save(String(job.result.href)); // a failure is told like that of any job
    }
  });
}

/** @param {string} url */
function save(url) {
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: "" });
  link.click();
}
