/** Days as text, as `2027-06-15`: steps between them, and what is said of one. */

import type { CalendarDay } from "../../lib/openapi";
import { counted } from "../../lib/words";

const DAY_MS = 24 * 60 * 60 * 1000;

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August"],
  ...["September", "October", "November", "December"],
];

/** Return the day that comes so many days later. */
export function addDays(day: string, count: number) {
  return new Date(Date.parse(day) + count * DAY_MS).toISOString().slice(0, 10);
}

/** Return the same day so many months later, or the last of a month that is shorter. */
export function addMonths(day: string, count: number) {
  const [year, month, date] = day.split("-").map(Number);
  const last = new Date(Date.UTC(year, month + count, 0)).getUTCDate();
  const moved = new Date(Date.UTC(year, month - 1 + count, Math.min(date, last)));
  return moved.toISOString().slice(0, 10);
}

/** Return a day's place in its week, Monday being 0. */
export function weekdayIndex(day: string) {
  return (new Date(day).getUTCDay() + 6) % 7;
}

/** Return the month of a day, as `June 2027`. */
export function monthName(day: string) {
  return `${MONTHS[Number(day.slice(5, 7)) - 1]} ${day.slice(0, 4)}`;
}

/** Say what a day of the calendar has. */
export function dayWords({ due_at: due, pause, adds_only: adds, may_remove: most }: CalendarDay) {
  if (pause) {
    return `paused, ${pause}`;
  }
  if (!due) {
    return "no sync";
  }
  const more = [adds && "only adds", most !== null && `may remove up to ${most} %`];
  return [`sync at ${due.slice(11, 16)} UTC`, ...more.filter(Boolean)].join(", ");
}

/** Return the marks of a day: colour alone says nothing. */
export function marksOf({ due_at: due, pause, adds_only: adds, may_remove: most }: CalendarDay) {
  if (pause) {
    return "–";
  }
  return due ? `●${adds ? "+" : ""}${most === null ? "" : "↑"}` : "";
}

/** Say what the days of a month come to. */
export function monthWords(days: CalendarDay[]) {
  const due = days.filter(({ due_at: at }) => at).length;
  const paused = days.filter(({ pause }) => pause).length;
  const month = monthName(days[0].day);
  const pauses = paused ? `; ${counted(paused, "day")} paused` : "";
  return `${month}: ${due ? counted(due, "sync") : "no syncs"} to come${pauses}.`;
}
