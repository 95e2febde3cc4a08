/** Saving a branch as a clip: a short one comes at once, a long one is a job that the page waits for. */

import { here } from "../state/address.js";
import { putJob } from "../state/events.js";
import { isOver } from "../state/jobs.js";
import { on, state, touch } from "../state/store.js";
import { slug } from "../ui/format.js";
import { save } from "../ui/save.js";
import { problem, toast } from "../ui/toasts.js";
import * as api from "./api.js";

/** @type {Map<string, string>} Jobs whose clip is to be saved once it is made, and the branch's name. */
const wanted = new Map();

/** @param {string} url  a `.../video` address @param {string} name  of the branch: the file is called after it */
export async function saveClip(url, name) {
  try {
    const answer = await api.head(url);
    if (answer.status !== 202) {
      await fetchClip(url, name);
      return;
    }
    const job = await api.get(answer.headers.get("Location") ?? "");
    wanted.set(job.id, name);
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
    for (const [id, name] of wanted) {
      const job = state.jobs.get(id);
      if (!job || !isOver(job)) continue;
      wanted.delete(id);
      if (job.result) fetchClip(String(job.result.href), name).catch(problem); // a failure is told like that of any job
    }
  });
}

/** The server names a clip after its frames; the branch's name goes before that. @param {string} url @param {string} name */
async function fetchClip(url, name) {
  const answer = await fetch(here(url));
  if (!answer.ok) await api.get(url);
  const given = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "clip.mp4";
  save(await answer.blob(), `${slug(name)}-${given.replace(/^ckp_\w+-/, "")}`);
}
