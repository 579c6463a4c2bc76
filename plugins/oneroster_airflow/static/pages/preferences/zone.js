/** What a time in UTC is for whoever looks at the page. */

/**
 * Say what a time of the day in UTC is in the viewer's zone.
 *
 * @param {string} time As `02:00`.
 * @param {Date} [today]
 * @returns {string}
 */
export function inViewersZone(time, today = new Date()) {
  if (!time) {
    return "Choose a time.";
  }
  const [hours, minutes] = time.split(":").map(Number);
  const at = new Date(
    Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate(), hours, minutes),
  );
  if (isUtc()) {
    return "Your browser is set to UTC too.";
  }
  const zone = viewersZone().replaceAll("_", " ");
  const day = dayShift(at);
  const moves = hasClockChange(at) ? " An hour off when your clocks change." : "";
  return `For you ${clock(at)}${day}, in ${zone}.${moves}`;
}

/**
 * Return a moment in the viewer's zone, short: `Wed 25 Nov, 03:30`.
 *
 * @param {string} at ISO 8601.
 * @returns {string}
 */
export function localShort(at) {
  return format(new Date(at), {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

/**
 * Return a moment in UTC with its day of the week: `Wed 2026-11-25 03:30`.
 *
 * @param {string} at ISO 8601.
 * @returns {string}
 */
export function utcShort(at) {
  const text = new Date(at).toISOString();
  const day = format(new Date(at), { weekday: "short", timeZone: "UTC" });
  return `${day} ${text.slice(0, 10)} ${text.slice(11, 16)}`;
}

/**
 * Return the name of the viewer's zone.
 *
 * @returns {string}
 */
export function viewersZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "your time zone";
}

/**
 * Tell whether the viewer's clock shows UTC all year.
 *
 * @returns {boolean}
 */
export function isUtc() {
  const year = new Date().getFullYear();
  return offset(new Date(year, 0, 1)) === 0 && offset(new Date(year, 6, 1)) === 0;
}

function dayShift(at) {
  const here = Date.UTC(at.getFullYear(), at.getMonth(), at.getDate());
  const there = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
  if (here === there) {
    return "";
  }
  return here < there ? " on the day before" : " on the day after";
}

function clock(at) {
  return format(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function hasClockChange(at) {
  const year = at.getFullYear();
  return offset(new Date(year, 0, 1)) !== offset(new Date(year, 6, 1));
}

function offset(at) {
  return at.getTimezoneOffset();
}

function format(at, options) {
  return new Intl.DateTimeFormat("en-GB", options).format(at);
}
