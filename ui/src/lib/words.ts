/** Labels of outcomes and fields, and how spans, numbers and sizes are written. */

import { FIELDS } from "../words/records";
import { OUTCOMES, PREVIEW_RUN, RUNNING } from "../words/runs";
import type { Weekday } from "./openapi";

/** Units of spans: a span of at least `from` minutes is written in units of `minutes` minutes. */
const SPANS = [
  { from: 4 * 24 * 60, minutes: 24 * 60, unit: "day" },
  { from: 2 * 60, minutes: 60, unit: "hour" },
  { from: 1, minutes: 1, unit: "minute" },
];

/** The outcomes that a list can be narrowed to, under way first. */
export const OUTCOME_NAMES = ["running", ...Object.keys(OUTCOMES), "preview"];

/** The days of the week in order. */
export const DAYS: Weekday[] = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
];

/**
 * Return what an outcome is called; null and "running" are a run under way.
 *
 * @param isPreview Whether nothing was to be applied: its plan was discarded by nobody.
 */
export function outcomeLabel(outcome: string | null, isPreview = false) {
  return describe(outcome, isPreview).label;
}

/** Return the colours of an outcome, by the name that Airflow has for them. */
export function outcomePalette(outcome: string | null, isPreview = false) {
  return describe(outcome, isPreview).palette;
}

function describe(outcome: string | null, isPreview: boolean) {
  const isOnlyPreview = outcome === "preview" || (isPreview && outcome === "discarded");
  return isOnlyPreview ? PREVIEW_RUN : (OUTCOMES[outcome ?? "running"] ?? RUNNING);
}

/** Return seconds as people say them, as `12 s`, `1 min 43 s` or `3 h 5 min`. */
export function duration(seconds: number) {
  if (seconds < 10) {
    return `${Math.max(0, seconds).toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    return `${minutes} min ${whole % 60} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : counted(Math.round(hours / 24), "day");
}

/** Return what a field of a record is called. */
export function fieldLabel(name: string) {
  return FIELDS[name] ?? name.replaceAll("_", " ");
}

/** Return a word with a capital. */
export function capital(word: string) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/**
 * Say how far a moment lies ahead, as `in 70 hours`; of a past one, that it is `any moment
 * now`.
 *
 * @param at ISO 8601.
 */
export function inTime(at: string) {
  const ahead = (Date.parse(at) - Date.now()) / 60000;
  const span = SPANS.find(({ from }) => ahead >= from);
  return span ? `in ${counted(Math.round(ahead / span.minutes), span.unit)}` : "any moment now";
}

/** Return a whole number with separators. */
export function number(value: number) {
  return value.toLocaleString("en");
}

/** Return a size in bytes as people read it. */
export function size(bytes: number) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const isWhole = unit === 0 || value >= 100 || Number.isInteger(value);
  return `${isWhole ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Return a count with its noun, as `1 row` or `1,200 rows`. */
export function counted(count: number, noun: string) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}
