/** The settings as data: what they are called, how they are read, compared and checked. */

import { DAYS, capital } from "../../lib/words.js";

const KINDS = { users: "users", courses: "courses", assignments: "course assignments" };

/** Every setting that can differ, in the order of the page. */
export const SETTINGS = [
  { path: "credited_admin", label: "Credited administrator" },
  { path: "days", label: "Days" },
  { path: "time_utc", label: "Time" },
  { path: "pause_windows", label: "Pauses" },
  { path: "scope", label: "Process" },
  { path: "teacher_permission", label: "Teacher permission" },
  { path: "assignment_roles", label: "Who is assigned to courses" },
  { path: "adopt_accounts", label: "Hand-made accounts" },
  { path: "profile", label: "Reading of the files" },
  ...Object.entries(KINDS).flatMap(([kind, words]) => [
    { path: `guards.${kind}.percent`, label: `Limit for ${words}, percent` },
    { path: `guards.${kind}.minimum`, label: `Limit for ${words}, at least` },
    { path: `guards.${kind}.cap`, label: `Limit for ${words}, always above` },
  ]),
  { path: "guards.error_percent", label: "Rows with errors" },
  { path: "guards.known_percent", label: "Records we know" },
  { path: "source", label: "Source" },
];

const CHOICES = {
  scope: { users_and_courses: "Users, courses and assignments", users: "Users only" },
  teacher_permission: { units_and_lessons: "Units and lessons", lessons_only: "Lessons only" },
  profile: { tolerant: "Tolerant", strict: "Strict" },
};

/**
 * Return what stands at a dotted path.
 *
 * @param {object} settings
 * @param {string} path
 * @returns {*}
 */
export function valueAt(settings, path) {
  return path.split(".").reduce((inner, name) => inner?.[name], settings);
}

/**
 * Return settings with another value at a dotted path; the old ones stay as they are.
 *
 * @param {object} settings
 * @param {string} path
 * @param {*} value
 * @returns {object}
 */
export function withValue(settings, path, value) {
  const [name, ...rest] = path.split(".");
  const inner = rest.length ? withValue(settings[name], rest.join("."), value) : value;
  return { ...settings, [name]: inner };
}

/**
 * Return settings as the API takes them, from what has been typed.
 *
 * @param {object} draft
 * @returns {object}
 */
export function sendable(draft) {
  let made = { ...draft, source: draft.source?.trim() || null };
  for (const { path } of SETTINGS.filter((setting) => setting.path.startsWith("guards."))) {
    made = withValue(made, path, asNumber(valueAt(draft, path)));
  }
  made.pause_windows = draft.pause_windows.map(({ first_on, last_on, note }) => ({
    first_on,
    last_on,
    note: note.trim(),
  }));
  return made;
}

/**
 * Return the settings whose values differ.
 *
 * @param {object} before
 * @param {object} after
 * @returns {{path: string, label: string}[]}
 */
export function differences(before, after) {
  return SETTINGS.filter(({ path }) => !same(valueAt(before, path), valueAt(after, path)));
}

/**
 * Tell whether two values are the same, whatever the order of their fields.
 *
 * @param {*} one
 * @param {*} other
 * @returns {boolean}
 */
export function same(one, other) {
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}

/**
 * Return what is wrong with settings, as the API would tell it.
 *
 * @param {object} settings As `sendable` gives them.
 * @param {object} before As they were saved.
 * @returns {{field: string, message: string}[]}
 */
export function problemsIn(settings, before) {
  const found = [];
  const add = (field, message) => found.push({ field, message });
  if (!settings.credited_admin) {
    add("credited_admin", "Choose an administrator: without one no sync can run.");
  }
  if (settings.days.length === 0) {
    add("days", "Choose at least one day. To stop all syncs, switch the sync off above.");
  }
  if (!settings.time_utc) {
    add("time_utc", "Give a time, such as 02:00.");
  }
  settings.pause_windows.forEach(({ first_on: first, last_on: last }, index) => {
    if (!first || !last) {
      add(`pause_windows.${index}`, "Give the first and the last day, or remove this pause.");
    } else if (last < first) {
      add(`pause_windows.${index}`, "The last day lies before the first one.");
    }
  });
  for (const { path } of SETTINGS.filter((setting) => setting.path.startsWith("guards."))) {
    const message = numberProblem(path, valueAt(settings, path));
    if (message) {
      add(path, message);
    }
  }
  if (!same(settings.source, before.source) && /^(?!file:)[a-z0-9+]+:\/\//i.test(settings.source)) {
    add("source", "Only paths and file:// URLs can be read. Mount the storage, and give its path.");
  }
  return found;
}

/**
 * Return what a value is in words.
 *
 * @param {string} path
 * @param {*} value
 * @returns {string}
 */
export function inWords(path, value) {
  if (CHOICES[path]) {
    return CHOICES[path][value] ?? String(value);
  }
  if (path === "days") {
    return daysInWords(value ?? []);
  }
  if (path === "time_utc") {
    return value ? `${value.slice(0, 5)} UTC` : "none";
  }
  if (path === "pause_windows") {
    return (value ?? []).map(pauseInWords).join("; ") || "none";
  }
  if (path === "assignment_roles") {
    return (value ?? []).map((role) => `${role}s`).join(", ");
  }
  if (path === "adopt_accounts") {
    return value ? "managed by the sync" : "left to those who made them";
  }
  if (value === null || value === undefined || value === "") {
    return "none";
  }
  return path.endsWith("percent") ? `${value} %` : String(value);
}

/**
 * Return the days in a few words, such as `Mon–Fri`.
 *
 * @param {string[]} days
 * @returns {string}
 */
export function daysInWords(days) {
  if (days.length === DAYS.length) {
    return "every day";
  }
  const rows = [];
  for (const [index, day] of DAYS.entries()) {
    if (!days.includes(day)) {
      continue;
    }
    const row = rows.at(-1);
    if (row && row.at(-1) === index - 1) {
      row.push(index);
    } else {
      rows.push([index]);
    }
  }
  return rows.map(rangeInWords).join(", ") || "none";
}

function rangeInWords(row) {
  const names = row.map((index) => capital(DAYS[index].slice(0, 3)));
  return names.length < 3 ? names.join(", ") : `${names[0]}–${names.at(-1)}`;
}

function pauseInWords({ first_on: first, last_on: last, note }) {
  return `${first || "?"} to ${last || "?"}${note ? ` (${note})` : ""}`;
}

function numberProblem(path, value) {
  const isWhole = !path.endsWith("percent");
  if (value === null) {
    return path.endsWith("cap") ? null : "Give a number.";
  }
  if (typeof value !== "number" || (isWhole && !Number.isInteger(value))) {
    return isWhole ? "Give a whole number, such as 5." : "Give a number, such as 10 or 2.5.";
  }
  if (!isWhole && (value < 0 || value > 100)) {
    return "Give a percentage from 0 to 100.";
  }
  if (path.endsWith("minimum") && value < 1) {
    return "Give 1 or more.";
  }
  return value < 0 ? "Give 0 or more, or leave it empty." : null;
}

function asNumber(typed) {
  if (typeof typed !== "string") {
    return typed;
  }
  const text = typed.trim().replace(",", ".");
  if (text === "") {
    return null;
  }
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function ordered(value) {
  if (Array.isArray(value)) {
    return value.map(ordered);
  }
  if (value && typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => [name, ordered(inner)])
      .sort(([one], [other]) => (one < other ? -1 : 1));
  }
  return value ?? null;
}
