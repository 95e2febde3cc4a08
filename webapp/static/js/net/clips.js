/** Saving a branch as a clip: a short one comes at once, a long one is a job that the page waits for. */

import { here } from "../state/address.js";
import { putJob } from "../state/events.js";
import { isOver } from "../state/jobs.js";
import { on, state, touch } from "../state/store.js";
import { slug } from "../ui/format.js";
import { follow } from "../ui/save.js";
import { problem, toast } from "../ui/toasts.js";
import * as api from "./api.js";

/** @type {Map<string, string>} Jobs whose clip is to be saved once it is made, and the branch's name. */
const wanted = new Map();

/** @param {string} url  a `.../video` address @param {string} name  of the branch: the file is called after it */
export async function saveClip(url, name) {
  try {
    const answer = await api.head(url);
    if (answer.status !== 202) {
      saveAs(url, name, answer);
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

/** Have the browser fetch a clip of any size straight to its disk. Raises what the server has against it. @param {string} url @param {string} name */
async function fetchClip(url, name) {
  saveAs(url, name, await api.head(url));
}

/** The server names a clip after its frames; the branch's name goes before that. @param {string} url @param {string} name @param {Response} answer */
function saveAs(url, name, answer) {
  const given = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "clip.mp4";
  follow(here(url), `${slug(name)}-${given.replace(/^ckp_\w+-/, "")}`);
}
