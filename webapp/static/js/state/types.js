/**
 * Shapes of the server's JSON, as far as the page reads them. Types only: nothing is exported at run time.
 *
 * @typedef {Object} Session
 * @property {string} id
 * @property {"open"|"closed"} state
 * @property {boolean} bulk
 * @property {string|null} label
 * @property {string} prompt
 * @property {number|null} seed
 * @property {string|null} head  id of the current checkpoint; null until the first job is done
 * @property {string|null} tree_id
 * @property {number} frame_index
 * @property {string|null} parent_session
 * @property {string|null} parent_checkpoint
 * @property {number} created  epoch seconds
 * @property {string|null} worker
 * @property {number} queued
 * @property {string|null} running_job
 *
 * @typedef {Object} Node
 * @property {string} id
 * @property {string|null} parent
 * @property {string} session_id
 * @property {string} tree_id
 * @property {number} frame_index  steps from the root
 * @property {number} created
 * @property {string} prompt
 * @property {number|null} seed
 * @property {"keep"|string|null} prompt_mode
 * @property {"given"|"predicted"|null} action_source
 * @property {boolean|null} steered  whether given actions steered the world; null where none were given
 * @property {number[][]|null} actions  one row per action of the step
 * @property {number} observed  real frames given with its step; 0: none
 * @property {"pending"|"durable"|"deleted"|"damaged"} durability
 * @property {boolean} failed
 * @property {string|null} label
 * @property {boolean} bookmarked
 * @property {boolean} pinned  kept in a worker's memory
 * @property {number|null} score
 * @property {number} bytes_new
 * @property {number} bytes_total
 * @property {number|null} wall_s
 * @property {string|null} worker
 * @property {number} n_frames
 * @property {string[]} children
 *
 * @typedef {Object} Job
 * @property {string} id
 * @property {string} kind
 * @property {string} session_id
 * @property {"queued"|"running"|"succeeded"|"failed"|"cancelled"} state
 * @property {Object} params
 * @property {{done: number, total: number}|null} progress
 * @property {string|null} worker
 * @property {{worker: string, reason: string}|null} placement
 * @property {number} created
 * @property {number|null} started
 * @property {number|null} finished
 * @property {Object|null} result
 * @property {{type: string, message: string, what_to_do: string, context: Object}|null} error
 *
 * @typedef {Object} Pane
 * @property {string} nodeId  the last checkpoint shown
 * @property {string} sessionId  the session whose head it follows and on which the controls act
 * @property {boolean} follows  the pane's node moves with the session's head
 *
 * @typedef {Object} Compare
 * @property {string|null} common_ancestor
 * @property {number} common_frame_index
 * @property {number|null} fork_step
 * @property {number|null} first_differing_frame_index
 * @property {number|null} first_differing_video_frame
 * @property {{latent: Object<string, number[]>, pixel: Object<string, number[]>, action: Object<string, number[]>}} series
 * @property {Object<string, boolean>} equal
 */
export {};
