/** What the values of settings are in words. */

import { DAYS, capital } from "../../lib/words.js";

/** What people can be told of, in the order of the page. */
export const TOPICS = {
  held: "Plans that wait",
  failed: "Failed runs",
  rejected: "Rejected packages",
  errors: "Many errors",
  stale: "Nothing new",
  digest: "The week",
};

const CHOICES = {
  scope: { users_and_courses: "Users, courses and assignments", users: "Users only" },
  teacher_permission: { units_and_lessons: "Units and lessons", lessons_only: "Lessons only" },
  profile: { tolerant: "Tolerant", strict: "Strict" },
  encoding: { "utf-8": "UTF-8", "windows-1252": "Windows-1252" },
  delimiter: { comma: "Commas", semicolon: "Semicolons", tab: "Tabs", bar: "Vertical bars" },
  date_order: { iso: "YYYY-MM-DD", month_first: "MM/DD/YYYY", day_first: "DD/MM/YYYY" },
  source_after: { leave: "The package stays", move: "The package is moved aside" },
};
const YES_AND_NO = {
  adopt_accounts: ["managed by the sync", "left to those who made them"],
  expire_ended_terms: ["assignments end uncounted", "assignments count as removals"],
  "guards.removals_wait": ["the rest goes on", "the whole plan waits"],
};
const UNITS = { approval_hours: "hours", stale_after_days: "days", "notices.errors_from": "rows or more" };
const RUN = /^run ([0-9a-f]{8})-[0-9a-f-]{27}$/;

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
  if (YES_AND_NO[path]) {
    return YES_AND_NO[path][value ? 0 : 1];
  }
  if (OWN_WORDS[path]) {
    return OWN_WORDS[path](value) || "none";
  }
  if (value === null || value === undefined || value === "") {
    return path === "stale_after_days" ? "never" : "none";
  }
  if (UNITS[path]) {
    return `${value} ${UNITS[path]}`;
  }
  return path.endsWith("percent") ? `${value} %` : String(value);
}

const OWN_WORDS = {
  days: (days) => daysInWords(days ?? []),
  time_utc: (time) => time && `${time.slice(0, 5)} UTC`,
  pause_windows: (pauses) => (pauses ?? []).map(pauseInWords).join("; "),
  create_only_until: (day) => day && `only adds until ${day}`,
  assignment_roles: (roles) => (roles ?? []).map((role) => `${role}s`).join(", "),
  "guards.raised": (raised) => raised && raisedInWords(raised),
  "notices.recipients": (addresses) => (addresses ?? []).join(", "),
  "notices.channels": (channels) => (channels ?? []).join(", "),
  "notices.topics": (topics) => labelsOf(topics ?? []).join(", "),
};

/**
 * Return who saved, in a few words: a person, or the run that used up a raised limit.
 *
 * @param {string} actor
 * @returns {string}
 */
export function byWhom(actor) {
  return actor.replace(RUN, "Run $1");
}

function labelsOf(topics) {
  return topics.map((topic) => (TOPICS[topic] ?? topic).toLowerCase());
}

function daysInWords(days) {
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
  return rows.map(rangeInWords).join(", ");
}

function rangeInWords(row) {
  const names = row.map((index) => capital(DAYS[index].slice(0, 3)));
  return names.length < 3 ? names.join(", ") : `${names[0]}–${names.at(-1)}`;
}

function pauseInWords({ first_on: first, last_on: last, note }) {
  return `${first || "?"} to ${last || "?"}${note ? ` (${note})` : ""}`;
}

function raisedInWords({ percent, until, note }) {
  const how = until === null ? "for one run" : `until ${until || "?"}`;
  return `${percent ?? "?"} % ${how}${note ? ` (${note})` : ""}`;
}
