import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  counted,
  duration,
  fieldLabel,
  inTime,
  number,
  outcomeLabel,
  outcomePalette,
  size,
} from "./words";

describe("what things are called", () => {
  test("an outcome has a word and a colour; without one the run is under way", () => {
    expect(outcomeLabel("succeeded_with_errors")).toBe("With errors");
    expect(outcomePalette("held")).toBe("deferred");
    expect(outcomeLabel(null)).toBe("Running");
    expect(outcomePalette("running")).toBe("running");
  });

  test("a preview was discarded by nobody", () => {
    expect(outcomeLabel("discarded")).toBe("Discarded");
    expect(outcomeLabel("discarded", true)).toBe("Preview");
    expect(outcomeLabel("rejected", true)).toBe("Rejected");
  });

  test("a field that has no word of its own is read as it is written", () => {
    expect(fieldLabel("org_sourced_ids")).toBe("schools");
    expect(fieldLabel("middle_name")).toBe("middle name");
  });
});

describe("numbers", () => {
  test("have separators, and a noun in the plural unless there is one", () => {
    expect(number(1234567)).toBe("1,234,567");
    expect(counted(1, "row")).toBe("1 row");
    expect(counted(0, "row")).toBe("0 rows");
    expect(counted(1200, "row")).toBe("1,200 rows");
  });

  test("of seconds are written in the units that people use", () => {
    expect(duration(0.04)).toBe("0.0 s");
    expect(duration(12.3)).toBe("12 s");
    expect(duration(59.7)).toBe("1 min 0 s");
    expect(duration(103)).toBe("1 min 43 s");
    expect(duration(3 * 3600 + 300)).toBe("3 h 5 min");
    expect(duration(72 * 3600)).toBe("3 days");
  });

  test("of bytes are written in the unit that leaves few digits", () => {
    expect(size(1)).toBe("1 bytes");
    expect(size(1024)).toBe("1 KiB");
    expect(size(1536)).toBe("1.5 KiB");
    expect(size(250 * 1024 * 1024)).toBe("250 MiB");
    expect(size(3 * 1024 ** 4)).toBe("3072 GiB");
  });
});

describe("moments", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date("2026-11-24T02:00:05Z") });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([
    ["2026-11-24T02:00:00Z", "any moment now"],
    ["2026-11-24T02:01:05Z", "in 1 minute"],
    ["2026-11-24T03:59:05Z", "in 119 minutes"],
    ["2026-11-24T04:00:05Z", "in 2 hours"],
    ["2026-11-27T00:00:05Z", "in 70 hours"],
    ["2026-11-28T02:00:05Z", "in 4 days"],
  ])("that lie ahead are written in a fitting unit: %s", (at, words) => {
    expect(inTime(at)).toBe(words);
  });
});
