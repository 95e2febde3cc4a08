/**
 * What the server's JSON holds, by its own schemas (`make lint-page` reads them), and the page's own records. Types only.
 *
 * @typedef {import("../../../../build/page/api.js").components["schemas"]} Schemas
 * @typedef {Schemas["SessionView"]} Session
 * @typedef {Schemas["NodeView"]} Node
 * @typedef {Schemas["JobView"]} Job
 * @typedef {Schemas["WorkerView"]} Worker
 * @typedef {Schemas["EvaluationView"]} Evaluation
 * @typedef {Schemas["ModelAnswer"]} Model
 * @typedef {Schemas["SampleView"]} Sample
 * @typedef {Schemas["TreeAnswer"]} Tree
 * @typedef {Schemas["EventView"]} ServerEvent
 * @typedef {Schemas["CompareAnswer"] & {sessions: string[], ids: string[]}} Compare  with the panes it was asked for
 *
 * @typedef {Object} Pane
 * @property {string} nodeId  the last checkpoint shown
 * @property {string} sessionId  the session whose head it follows and on which the controls act
 * @property {boolean} follows  the pane's node moves with the session's head
 *
 * @typedef {"loading"|"empty"|"ready"|"error"|"dead"|"lost"|"deleted"} TreeStatus  dead: the session of a link is not there;
 *   lost: its branches are not; deleted: the tree that was shown is there no more
 * @typedef {{message: string, whatToDo?: string}} Trouble  what an error says to the reader
 * @typedef {"side"|"wipe"|"blink"|"diff"} Mode
 * @typedef {"videos"|"grid"|"evaluations"} View  what the middle shows
 * @typedef {"sessions"|"nodes"|"branch"|"jobs"|"evaluations"|"workers"|"model"|"samples"|"tree"|"panes"|"active"|"selection"|"reveal"|"mode"|"view"
 *   |"compare"|"connection"|"tab"|"theme"|"ready"|"frame"|"play"|"picture"|"redraw"|"resync"|"evaluate"
 *   |"zoom"|"export"|"palette"|"help"|"system"|"driving"|"pixel"} Topic
 */
export {};
