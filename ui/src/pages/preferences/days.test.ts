import { describe, expect, test } from "vitest";
import type { CalendarDay } from "../../lib/openapi";
import { addDays, addMonths, dayWords, marksOf, monthWords, weekdayIndex } from "./days";

const DAY: CalendarDay = {
  day: "2027-06-14",
  due_at: null,
  skipped_at: null,
  pause: null,
  adds_only: false,
  may_remove: null,
};

const DUE = { ...DAY, due_at: "2027-06-14T02:00:00Z" };

const PAUSED = { ...DAY, skipped_at: DUE.due_at, pause: "Summer break until 2027-08-15" };

describe("days", () => {
  test("are stepped over the ends of months and years", () => {
    expect(addDays("2026-12-31", 1)).toBe("2027-01-01");
    expect(addMonths("2027-01-31", 1)).toBe("2027-02-28");
    expect(addMonths("2027-01-31", -2)).toBe("2026-11-30");
    expect(weekdayIndex("2027-06-14")).toBe(0);
    expect(weekdayIndex("2027-06-20")).toBe(6);
  });

  test("say what counts on them, in words and by marks", () => {
    expect(dayWords(DAY)).toBe("no sync");
    expect(dayWords(PAUSED)).toBe("paused, Summer break until 2027-08-15");
    const special = { ...DUE, adds_only: true, may_remove: 50 };
    expect(dayWords(special)).toBe("sync at 02:00 UTC, only adds, may remove up to 50 %");
    expect([DAY, PAUSED, DUE, special].map(marksOf)).toEqual(["", "–", "●", "●+↑"]);
  });

  test("are counted by the month", () => {
    expect(monthWords([DUE, PAUSED, DAY])).toBe("June 2027: 1 sync to come; 1 day paused.");
    expect(monthWords([DAY])).toBe("June 2027: no syncs to come.");
  });
});
