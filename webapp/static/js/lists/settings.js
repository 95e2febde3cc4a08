/** Settings of the model in words: "guidance=2, steps=8", as the server names them in results. Pure. */

/** @param {Record<string, number>|undefined} settings  those that are not as by default */
export function settingsInWords(settings) {
  const given = Object.entries(settings ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  return given.map(([name, value]) => `${name}=${value}`).join(", ") || "defaults";
}
