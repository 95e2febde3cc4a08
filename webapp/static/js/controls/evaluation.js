/** What the reader can make the server do about evaluations, and what they are called. Failures become toasts. */

import * as api from "../net/api.js";
import { putEvaluation } from "../state/evaluations.js";
import { confirm } from "../ui/confirm.js";
import { problem } from "../ui/toasts.js";

/** @import { Evaluation } from "../state/types.js" */

/** @param {Evaluation} evaluation */
export function nameOf({ label, id }) {
  return label || `evaluation …${id.slice(-5)}`;
}

/** @param {Evaluation} evaluation */
export async function cancelEvaluation(evaluation) {
  const detail = "What waits is not begun, what runs stops at its next step. Results stay, and it can be resumed.";
  if (!await confirm(`Cancel “${nameOf(evaluation)}”?`, detail, "Cancel the evaluation")) return;
  await api.post(`/api/evaluations/${evaluation.id}/cancel`).then(putEvaluation, problem);
}

/** @param {string} id @param {boolean} errors  those that ended in an error are tried again, too */
export function resumeEvaluation(id, errors) {
  return api.post(`/api/evaluations/${id}/resume`, { retry_errors: errors }).then(putEvaluation, problem);
}
