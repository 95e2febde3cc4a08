/** Words and numbers as the page shows them. */

/** @import { Session } from "../state/types.js" */
/** @typedef {number|null|undefined} Maybe  a number that may not be known */

/** 1536 -> "1.5 kB" (decimal units). @param {Maybe} n */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds as "0.42 s", "12 s", "3:05 min". @param {Maybe} s */
export function seconds(s) {
  if (s === null || s === undefined || Number.isNaN(s)) return "–";
  if (s < 10) return `${s.toFixed(s < 1 ? 2 : 1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Epoch seconds as a local clock time. @param {number} epoch */
export function clockTime(epoch) {
  return CLOCK.format(epoch * 1000);
}

const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short", year: "numeric" });
const SHORT_CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

/** Epoch seconds as a local time, with the day unless it is today. @param {number} epoch */
export function dateTime(epoch) {
  const day = DAY.format(epoch * 1000);
  const time = SHORT_CLOCK.format(epoch * 1000);
  return day === DAY.format(Date.now()) ? time : `${day}, ${time}`;
}

/** The tail of an id, enough to tell two apart: "ckp_…7q4zk". @param {string|null|undefined} id */
export function shortId(id) {
  return id ? `${id.slice(0, 4)}…${id.slice(-5)}` : "–";
}

/** Cut a text to n characters with an ellipsis. @param {string|null|undefined} value @param {number} n */
export function clip(value, n) {
  const s = value ?? "";
  return s.length > n ? `${s.slice(0, n - 1).trimEnd()}…` : s;
}

/** "1 step", "3 steps". @param {number} n @param {string} word */
export function count(n, word, plural = `${word}s`) {
  return `${n} ${n === 1 ? word : plural}`;
}

/** A number in at most `digits` significant digits, without exponents for everyday sizes. @param {Maybe} n */
export function short(n, digits = 3) {
  if (n === null || n === undefined || Number.isNaN(n)) return "–";
  if (n === 0) return "0";
  return Math.abs(n) >= 0.001 && Math.abs(n) < 1e6 ? String(Number(n.toPrecision(digits))) : n.toExponential(1);
}

/** A name as part of a file's: letters, digits and dashes. @param {string} name */
export function slug(name) {
  return name.normalize("NFC").replaceAll(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replaceAll(/^-|-$/g, "") || "clip";
}

/** What a session is called: its label, else its prompt. @param {Session|null|undefined} session */
export function sessionName(session) {
  return session ? session.label || session.prompt || shortId(session.id) : "–";
}
