/** The settings as data: what they are called, which are numbers, how they are read and compared. */

const PERCENT = { least: 0, most: 100 };
const AT_LEAST_ONE = { least: 1, isWhole: true };
const CAP = { least: 0, isWhole: true, isOptional: true };
const HOURS = { least: 1, most: 24 * 60, isWhole: true };
const RUNS = { least: 1, most: 1000, isWhole: true };
const DAYS = { least: 1, most: 365, isWhole: true, isOptional: true };

const REMOVALS = { users: "users", courses: "courses", assignments: "course assignments" };
const MORE = {
  school: "one school",
  week: "seven days",
  added_users: "added users",
  reactivated_users: "reactivated users",
  changed_roles: "changed roles",
  moved_terms: "terms that end earlier",
  updated_users: "updated users",
  updated_courses: "updated courses",
  sourced_ids: "new sourcedIds",
};

/**
 * Every setting that can differ, in the order of the page. Of those with a `number`, what it may be:
 * whole, from `least` on, up to `most`, left empty.
 */
export const SETTINGS = [
  { path: "credited_admin", label: "Credited administrator" },
  { path: "days", label: "Days" },
  { path: "time_utc", label: "Time" },
  { path: "pause_windows", label: "Pauses" },
  { path: "create_only_until", label: "Rollover" },
  { path: "expire_ended_terms", label: "Ended terms" },
  { path: "scope", label: "Process" },
  { path: "teacher_permission", label: "Teacher permission" },
  { path: "assignment_roles", label: "Who is assigned to courses" },
  { path: "adopt_accounts", label: "Hand-made accounts" },
  { path: "profile", label: "Reading of the files" },
  ...limitsOf(REMOVALS),
  { path: "guards.raised", label: "Raised limits" },
  { path: "guards.removals_wait", label: "While removals wait" },
  { path: "guards.error_percent", label: "Rows with errors", number: PERCENT },
  { path: "guards.known_percent", label: "Records we know", number: PERCENT },
  { path: "approval_hours", label: "How long a plan waits", number: HOURS },
  { path: "stale_protection_runs", label: "Stale protection", number: RUNS },
  ...limitsOf(MORE),
  { path: "notices.recipients", label: "E-mail addresses" },
  { path: "notices.channels", label: "Channels" },
  { path: "notices.topics", label: "What people are told" },
  { path: "notices.errors_from", label: "Many errors", number: AT_LEAST_ONE },
  { path: "stale_after_days", label: "Days without a package", number: DAYS },
  { path: "source", label: "Source" },
  { path: "source_connection", label: "Connection of the source" },
  { path: "source_pattern", label: "Names of packages" },
  { path: "source_after", label: "After a run that ended well" },
  { path: "encoding", label: "Encoding of the files" },
  { path: "delimiter", label: "Delimiter of the files" },
  { path: "date_order", label: "Dates in the files" },
];

/** What a raised limit begins with: for the next run that is applied. */
export const RAISED = { percent: 50, until: null, note: "" };

/** What the percentage of a raised limit may be. */
export const RAISED_PERCENT = PERCENT;

function limitsOf(kinds) {
  return Object.entries(kinds).flatMap(([kind, words]) => [
    { path: `guards.${kind}.percent`, label: `Limit for ${words}, percent`, number: PERCENT },
    { path: `guards.${kind}.minimum`, label: `Limit for ${words}, at least`, number: AT_LEAST_ONE },
    { path: `guards.${kind}.cap`, label: `Limit for ${words}, always above`, number: CAP },
  ]);
}

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
  let made = {
    ...draft,
    source: draft.source?.trim() || null,
    source_connection: draft.source_connection?.trim() || null,
    source_pattern: draft.source_pattern.trim() || "*.zip",
    pause_windows: draft.pause_windows.map((pause) => ({ ...pause, note: pause.note.trim() })),
  };
  for (const { path, number } of SETTINGS) {
    if (number) {
      made = withValue(made, path, asNumber(valueAt(draft, path)));
    }
  }
  made = withValue(made, "guards.raised", raisedOf(draft.guards.raised));
  made = withValue(made, "notices.recipients", namesIn(draft.notices.recipients));
  return withValue(made, "notices.channels", namesIn(draft.notices.channels));
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

function raisedOf(raised) {
  return raised && { ...raised, percent: asNumber(raised.percent), note: raised.note.trim() };
}

/** Return the names in lines of text, each once; what a mail program puts between them is none. */
function namesIn(lines) {
  return [...new Set(lines.flatMap((line) => line.split(/[\s,;]+/)))].filter(Boolean);
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
