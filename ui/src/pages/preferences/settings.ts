/** The settings as data: their names, which are numbers, how they are compared, and their words. */

import type {
  Guards,
  Limit,
  PauseWindow,
  RaisedLimit,
  SettingsOutput,
  Topic,
  Weekday,
} from "../../lib/openapi";
import { capital, DAYS } from "../../lib/words";
import { PLURALS } from "../../words/records";
import { CHOICES, TEXTS, TOPIC_TEXTS } from "./texts";

/** The settings as they are saved. */
export type Settings = SettingsOutput;

/** Settings, or some of them, of any shape: while one types, a number is text. */
export type Draft = object;

/** A limit of the guards, by its name. */
export type LimitName = {
  [Name in keyof Guards]: Guards[Name] extends Limit ? Name : never;
}[keyof Guards] &
  string;

/** What a number may be. */
export interface NumberRule {
  least: number;
  most?: number;
  isWhole?: boolean;
  isOptional?: boolean;
}

/** A setting that can differ. */
export interface Described {
  path: string;
  label: string;
  number?: NumberRule;
}

const PERCENT = { least: 0, most: 100 };

const AT_LEAST_ONE = { least: 1, isWhole: true };

const CAP = { least: 0, isWhole: true, isOptional: true };

const HOURS = { least: 1, most: 24 * 60, isWhole: true };

const RUNS = { least: 1, most: 1000, isWhole: true };

const ONE_TO_24 = { least: 1, most: 24, isWhole: true, isOptional: true };
const ONE_TO_365 = { least: 1, most: 365, isWhole: true, isOptional: true };

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
export const SETTINGS: Described[] = [
  described("credited_admin"),
  described("days"),
  described("time_utc"),
  described("time_zone"),
  described("pause_windows"),
  { ...described("source"), label: "Source" },
  described("source_connection"),
  described("source_pattern"),
  described("started_by"),
  described("source_after"),
  described("scope"),
  described("teacher_permission"),
  described("assignment_roles"),
  described("adopt_accounts"),
  ...limitsOf(PLURALS),
  described("guards.raised"),
  described("guards.removals_wait"),
  described("guards.error_percent", PERCENT),
  described("guards.known_percent", PERCENT),
  described("approval_hours", HOURS),
  described("notices.recipients"),
  described("notices.channels"),
  described("notices.topics"),
  { ...described("notices.errors_from", AT_LEAST_ONE), label: "Many errors" },
  { ...described("stale_after_days", ONE_TO_365), label: "Days without a new export" },
  { ...described("done_within_hours", ONE_TO_24), label: "Hours until a sync is done" },
  described("create_only_until"),
  described("expire_ended_terms"),
  described("profile"),
  { ...described("stale_protection_runs", RUNS), label: "Stale protection" },
  described("encoding"),
  described("delimiter"),
  described("date_order"),
  ...limitsOf(MORE),
];

/** What a raised limit begins with: for the next run that is applied. */
export const RAISED = { percent: 50, until: null, note: "" };

/** What the percentage of a raised limit may be. */
export const RAISED_PERCENT = PERCENT;

function described(path: string, number?: NumberRule): Described {
  return { path, label: TEXTS[path].label, number };
}

function limitsOf(kinds: Record<string, string>): Described[] {
  return Object.entries(kinds).flatMap(([kind, words]) => [
    { path: `guards.${kind}.percent`, label: `Limit for ${words}, percent`, number: PERCENT },
    { path: `guards.${kind}.minimum`, label: `Limit for ${words}, at least`, number: AT_LEAST_ONE },
    { path: `guards.${kind}.cap`, label: `Limit for ${words}, always above`, number: CAP },
  ]);
}

/** Return what stands at a dotted path. */
// A path may lead to any type; who asks knows which.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function valueAt(settings: Draft, path: string): any {
  return path
    .split(".")
    .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | null)?.[name], settings);
}

/** Return settings with another value at a dotted path; the old ones stay as they are. */
export function withValue<T extends object>(settings: T, path: string, value: unknown): T {
  const [name, ...rest] = path.split(".");
  const inner = rest.length
    ? withValue((settings as Record<string, object>)[name], rest.join("."), value)
    : value;
  return { ...settings, [name]: inner };
}

/** Return settings as the API takes them, from what has been typed. */
export function sendable(draft: Settings): Settings {
  let made = {
    ...draft,
    source: draft.source?.trim() || null,
    source_connection: draft.source_connection?.trim() || null,
    source_pattern: draft.source_pattern.trim() || "*.zip",
    time_zone: draft.time_zone?.trim() || null,
    time_utc: draft.time_utc?.trim().replace(/^\d:/, "0$&"),
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

/** Return the settings whose values differ. */
export function differences(before: Draft, after: Draft): Described[] {
  return SETTINGS.filter(({ path }) => !same(valueAt(before, path), valueAt(after, path)));
}

/** Return whether two values are the same, whatever the order of their fields. */
export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(ordered(one)) === JSON.stringify(ordered(other));
}

function raisedOf(raised: RaisedLimit | null | undefined) {
  return raised && { ...raised, percent: asNumber(raised.percent), note: raised.note.trim() };
}

/** Return the names in lines of text, each once; what a mail program puts between them is none. */
function namesIn(lines: string[]) {
  return [...new Set(lines.flatMap((line) => line.split(/[\s,;]+/)))].filter(Boolean);
}

function asNumber(typed: unknown): unknown {
  if (typeof typed !== "string") {
    return typed;
  }
  const text = typed.trim().replace(",", ".");
  if (text === "") {
    return null;
  }
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(ordered);
  }
  if (value && typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => [name, ordered(inner)])
      .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1));
  }
  return value ?? null;
}

const WORDS: Record<string, Record<string, string>> = {
  source_after: { leave: "The package stays", move: "The package is moved aside" },
};

const YES_AND_NO: Record<string, [string, string]> = {
  adopt_accounts: ["managed by OneRoster", "managed manually"],
  expire_ended_terms: ["not counted as removals", "counted as removals"],
  "guards.removals_wait": ["the rest is applied", "the whole plan waits"],
};

const UNITS: Record<string, string> = {
  approval_hours: "hours",
  stale_after_days: "days",
  done_within_hours: "hours",
  "notices.errors_from": "rows or more",
  stale_protection_runs: "syncs",
};

const NEVER = new Set(["stale_after_days", "done_within_hours"]);

const RUN = /^run ([0-9a-f]{8})-[0-9a-f-]{27}$/;

/** Return what a value is in words. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export function inWords(path: string, value: any): string {
  const choice = CHOICES[path]?.find((one) => one.value === value);
  if (choice || WORDS[path]) {
    return choice?.label ?? WORDS[path][value] ?? String(value);
  }
  if (YES_AND_NO[path]) {
    return YES_AND_NO[path][value ? 0 : 1];
  }
  if (OWN_WORDS[path]) {
    return OWN_WORDS[path](value) || "none";
  }
  if (value === null || value === undefined || value === "") {
    return NEVER.has(path) ? "never" : "none";
  }
  if (UNITS[path]) {
    return `${value} ${UNITS[path]}`;
  }
  return path.endsWith("percent") ? `${value} %` : String(value);
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
const OWN_WORDS: Record<string, (value: any) => string | null> = {
  days: (days) => daysInWords(days ?? []),
  time_utc: (time) => time && `${time.slice(0, 5)} UTC`,
  pause_windows: (pauses) => (pauses ?? []).map(pauseInWords).join("; "),
  create_only_until: (day) => day && `only adds until ${day}`,
  assignment_roles: (roles: string[] | null) => (roles ?? []).map((role) => `${role}s`).join(", "),
  "guards.raised": (raised) => raised && raisedInWords(raised),
  "notices.recipients": (addresses) => (addresses ?? []).join(", "),
  "notices.channels": (channels) => (channels ?? []).join(", "),
  "notices.topics": (topics) => labelsOf(topics ?? []).join(", "),
};

/** Return a limit in a few words, as `10 %, at least 5; always above 100`. */
export function limitInWords({ percent, minimum, cap }: Limit) {
  const share = `${percent} %, at least ${minimum}`;
  return cap === null ? share : `${share}; always above ${cap}`;
}

/** Return who saved, in a few words: a person, or the run that used up a raised limit. */
export function byWhom(actor: string) {
  return actor.replace(RUN, "Run $1");
}

function labelsOf(topics: Topic[]) {
  return topics.map((topic) => (TOPIC_TEXTS[topic]?.label ?? topic).toLowerCase());
}

function daysInWords(days: Weekday[]) {
  if (days.length === DAYS.length) {
    return "every day";
  }
  const rows: number[][] = [];
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

function rangeInWords(row: number[]) {
  const names = row.map((index) => capital(DAYS[index].slice(0, 3)));
  return names.length < 3 ? names.join(", ") : `${names[0]}–${names.at(-1)}`;
}

function pauseInWords({ first_on: first, last_on: last, note }: PauseWindow) {
  return `${first || "?"} to ${last || "?"}${note ? ` (${note})` : ""}`;
}

function raisedInWords({ percent, until, note }: RaisedLimit) {
  const how = until === null ? "for one run" : `until ${until || "?"}`;
  return `${percent ?? "?"} % ${how}${note ? ` (${note})` : ""}`;
}
