import { beforeEach, describe, expect, test, vi } from "vitest";
import { inZone, ofRun, planned, selectedZone, timeInZone, utc, withWeekday } from "./time";

const AT = "2026-11-24T02:00:05Z";

describe("moments", () => {
  test("of runs are in the selected zone, with UTC beside and the day only where it differs", () => {
    expect(ofRun(AT, "Europe/Berlin")).toBe("2026-11-24 03:00:05 +01:00 · 02:00:05 UTC");
    expect(ofRun(AT, "America/Chicago", { seconds: false })).toBe(
      "2026-11-23 20:00 −06:00 · 2026-11-24 02:00 UTC",
    );
    expect(ofRun(AT, "UTC")).toBe("2026-11-24 02:00:05 UTC");
  });

  test("that are planned are in UTC, with the selected zone beside", () => {
    expect(planned(AT, "Europe/Berlin")).toBe("2026-11-24 02:00 UTC · 03:00 in Berlin");
    expect(planned(AT, "America/New_York")).toBe(
      "2026-11-24 02:00 UTC · 2026-11-23 21:00 in New York",
    );
    expect(planned(AT, "Atlantic/Reykjavik")).toBe("2026-11-24 02:00 UTC");
  });

  test("of a site with a zone have its time beside, and the viewer's only if it is another", () => {
    const site = "America/Chicago";
    expect(planned(AT, "Europe/Berlin", site)).toBe(
      "2026-11-24 02:00 UTC · 2026-11-23 20:00 in Chicago · 03:00 in Berlin",
    );
    expect(planned(AT, site, site)).toBe("2026-11-24 02:00 UTC · 2026-11-23 20:00 in Chicago");
    expect(planned(AT, "America/Winnipeg", site)).toBe(planned(AT, site, site));
    expect(planned(AT, "UTC", "Mars/Olympus")).toBe("2026-11-24 02:00 UTC");
  });

  test("come in any zone, and are written in the one that is asked for", () => {
    expect(utc("2026-11-24T03:00:05+01:00")).toBe("2026-11-24 02:00:05 UTC");
    expect(inZone(AT, "Asia/Kolkata")).toBe("2026-11-24 07:30:05");
    expect(withWeekday(AT, "America/Chicago")).toBe("Mon 2026-11-23 20:00");
  });

  test.each([
    ["Europe/Berlin", "03:00 in Berlin; shifts an hour with daylight saving."],
    ["Asia/Tokyo", "11:00 in Tokyo."],
    ["America/Chicago", "20:00 on the day before in Chicago; shifts an hour with daylight saving."],
    ["UTC", "Your time zone is UTC too."],
  ])("of the day are written in a zone: %s", (zone, words) => {
    expect(timeInZone("02:00", zone, "2026-11-24")).toBe(words);
    expect(words.length).toBeLessThanOrEqual(90);
  });
});

describe("the selected zone", () => {
  let kept: string | null = null;
  beforeEach(() => {
    vi.stubGlobal("localStorage", { getItem: (key: string) => (key === "timezone" ? kept : null) });
  });

  test("is the one that Airflow keeps; a word that is no zone counts as none", () => {
    kept = '"Asia/Tokyo"';
    expect(selectedZone()).toBe("Asia/Tokyo");
    const browsers = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const odd of [null, '"Nowhere"', "{", "7"]) {
      kept = odd;
      expect(selectedZone()).toBe(browsers);
    }
  });
});
