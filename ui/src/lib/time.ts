/**
 * How moments are written, once for all pages: `2026-11-24 03:00:05`, and a zone where it is needed.
 *
 * The moments of runs are in the zone that is selected in Airflow, with UTC beside. What is planned is in
 * UTC, in which schedules are made, with the selected zone beside.
 */

import { useEffect, useState } from "react";

/** Where Airflow keeps the selected zone, as JSON. */
const KEPT_AS = "timezone";

/** Airflow's own event for a change in the same window; `storage` is that of the others. */
const CHANGES = ["storage", "local-storage"];

export const UTC = "UTC";

/** How much of a moment is written. */
export interface Shown {
  seconds?: boolean;
}

/** Return the zone that is selected in Airflow: the browser's, until somebody selects another. */
export function selectedZone(): string {
  const browsers = Intl.DateTimeFormat().resolvedOptions().timeZone || UTC;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEPT_AS) ?? "null");
    return typeof kept === "string" && isZone(kept) ? kept : browsers;
  } catch {
    return browsers;
  }
}

/** Follow the zone that is selected in Airflow. */
export function useZone(): string {
  const [zone, setZone] = useState(selectedZone);
  useEffect(() => {
    const follow = () => setZone(selectedZone());
    CHANGES.forEach((name) => addEventListener(name, follow));
    return () => CHANGES.forEach((name) => removeEventListener(name, follow));
  }, []);
  return zone;
}

/** Return a moment in a zone, as `2026-11-24 03:00:05`. */
export function inZone(at: string, zone: string, { seconds = true }: Shown = {}) {
  const { year, month, day, hour, minute, second } = partsOf(at, zone);
  return `${year}-${month}-${day} ${hour}:${minute}${seconds ? `:${second}` : ""}`;
}

/** Return a moment in UTC, as `2026-11-24 02:00:05 UTC`. */
export function utc(at: string, shown: Shown = {}) {
  return `${inZone(at, UTC, shown)} UTC`;
}

/** Return a moment of a run: in a zone, with its offset, and UTC beside unless they are the same. */
export function ofRun(at: string, zone: string, shown: Shown = {}) {
  if (isUtc(at, zone)) {
    return utc(at, shown);
  }
  return `${inZone(at, zone, shown)} ${offset(at, zone)} · ${beside(at, zone, UTC, shown)} UTC`;
}

/** Return a moment of a run in the selected zone with its offset, as `2026-11-24 03:00 +01:00`. */
export function inSelected(at: string, shown: Shown = { seconds: false }, zone = selectedZone()) {
  return isUtc(at, zone) ? utc(at, shown) : `${inZone(at, zone, shown)} ${offset(at, zone)}`;
}

/**
 * Return a planned moment: in UTC, and beside it in the site's zone and in the viewer's, each once.
 *
 * @param site The zone that the site names, if any.
 */
export function planned(
  at: string,
  zone: string,
  site: string | null = null,
  shown: Shown = { seconds: false },
) {
  const others = zonesBeside(at, zone, site).map(
    (one) => `${beside(at, UTC, one, shown)} in ${cityOf(one)}`,
  );
  return [utc(at, shown), ...others].join(" · ");
}

/** Return the zones to show beside UTC at a moment: the site's, then the viewer's, each time once. */
export function zonesBeside(at: string, zone: string, site: string | null) {
  const found: string[] = [];
  for (const one of [site, zone]) {
    if (
      one &&
      isZone(one) &&
      !isUtc(at, one) &&
      !found.some((f) => offset(at, f) === offset(at, one))
    ) {
      found.push(one);
    }
  }
  return found;
}

/** Return the day and the time in a zone with the day of the week, as `Wed 2026-11-25 03:30`. */
export function withWeekday(at: string, zone: string) {
  return `${partsOf(at, zone).weekday} ${inZone(at, zone, { seconds: false })}`;
}

/** Return a zone as people call it: `America/New_York` is `New York`. */
export function cityOf(zone: string) {
  return (zone.split("/").at(-1) ?? zone).replaceAll("_", " ");
}

/** Return how a zone differs from UTC at a moment, as `+01:00`. */
export function offset(at: string, zone: string) {
  const minutes = offsetMinutes(at, zone);
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "−" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** Return whether a zone is as far from UTC in January as in July, and never from it. */
export function isAlwaysUtc(zone: string, year = new Date().getUTCFullYear()) {
  return seasons(year).every((at) => offsetMinutes(at, zone) === 0);
}

/**
 * Say what a time of the day in UTC is in the viewer's zone, as `03:00 in Berlin; shifts an hour with
 * daylight saving.`
 *
 * @param time As `02:00`.
 * @param today A day as `2026-11-24`: zones change their clocks.
 */
export function timeInZone(time: string | null | undefined, zone: string, today: string) {
  if (!isTime(time)) {
    return "Hours and minutes, such as 02:00.";
  }
  const year = Number(today.slice(0, 4));
  if (isAlwaysUtc(zone, year)) {
    return "Your time zone is UTC too.";
  }
  const at = `${today}T${time.slice(0, 5)}:00Z`;
  const there = inZone(at, zone, { seconds: false });
  const [winter, summer] = seasons(year).map((season) => offsetMinutes(season, zone));
  const moves = winter === summer ? "" : "; shifts an hour with daylight saving";
  return `${there.slice(11)}${dayShift(today, there.slice(0, 10))} in ${cityOf(zone)}${moves}.`;
}

/** Return whether a text is a time of the day, as `02:00`. */
export function isTime(text: string | null | undefined): text is string {
  return /^([01]\d|2[0-3]):[0-5]\d(:00)?$/.test(text ?? "");
}

/** Return the names of all zones that the browser knows, for a list to choose from. */
export function allZones(): string[] {
  return Intl.supportedValuesOf("timeZone");
}

/** Return the day that it is in UTC, as `2026-11-24`. */
export function today() {
  return new Date().toISOString().slice(0, 10);
}

function dayShift(here: string, there: string) {
  if (here === there) {
    return "";
  }
  return there < here ? " on the day before" : " on the day after";
}

/** A moment in one zone when it stands beside itself in another: without the day if that is the same. */
function beside(at: string, other: string, zone: string, shown: Shown) {
  const text = inZone(at, zone, shown);
  return text.slice(0, 10) === inZone(at, other, shown).slice(0, 10) ? text.slice(11) : text;
}

function isUtc(at: string, zone: string) {
  return offsetMinutes(at, zone) === 0;
}

function offsetMinutes(at: string, zone: string) {
  const { year, month, day, hour, minute, second } = partsOf(at, zone);
  const there = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Math.round((there - Math.floor(Date.parse(at) / 1000) * 1000) / 60_000);
}

function seasons(year: number) {
  return [`${year}-01-01T12:00:00Z`, `${year}-07-01T12:00:00Z`];
}

function two(number: number) {
  return String(number).padStart(2, "0");
}

/** Return whether the browser knows a zone by this name. */
export function isZone(name: string) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

function partsOf(at: string, zone: string) {
  let format = FORMATS.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    });
    FORMATS.set(zone, format);
  }
  const found: Record<string, string> = {};
  for (const { type, value } of format.formatToParts(new Date(at))) {
    found[type] = value;
  }
  return found as Record<
    "weekday" | "year" | "month" | "day" | "hour" | "minute" | "second",
    string
  >;
}
