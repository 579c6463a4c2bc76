import { describe, expect, test } from "vitest";
import {
  differences,
  inWords,
  same,
  sendable,
  type Settings,
  valueAt,
  withValue,
} from "./settings";

const LIMIT = { percent: 10, minimum: 20, cap: null };

const SAVED: Settings = {
  credited_admin: "ann@example.org",
  days: ["monday"],
  time_utc: "02:00",
  time_zone: null,
  pause_windows: [],
  scope: "users_and_courses",
  teacher_permission: "lessons_only",
  profile: "tolerant",
  assignment_roles: ["teacher"],
  adopt_accounts: false,
  guards: {
    users: LIMIT,
    courses: LIMIT,
    assignments: LIMIT,
    school: LIMIT,
    updated_users: LIMIT,
    updated_courses: LIMIT,
    week: LIMIT,
    added_users: LIMIT,
    reactivated_users: LIMIT,
    changed_roles: LIMIT,
    moved_terms: LIMIT,
    sourced_ids: LIMIT,
    error_percent: 5,
    known_percent: 50,
    removals_wait: true,
    raised: null,
  },
  approval_hours: 72,
  create_only_until: null,
  expire_ended_terms: true,
  stale_protection_runs: 5,
  stale_after_days: null,
  done_within_hours: null,
  notices: { recipients: [], channels: [], topics: [], errors_from: 20 },
  source: null,
  source_connection: null,
  source_pattern: "*.zip",
  started_by: "schedule",
  source_after: "leave",
  encoding: "utf-8",
  delimiter: "comma",
  date_order: "iso",
};

describe("settings while they are edited", () => {
  test("are sent as numbers, however they are typed; what is no number stays for the check", () => {
    const typed = (text: string) => valueAt(sendable(withValue(SAVED, PATH, text)), PATH);
    expect(typed(" 12,5 ")).toBe(12.5);
    expect(typed("")).toBeNull();
    expect(typed("ten")).toBe("ten");
  });

  test("keep each address once, whatever stands between them", () => {
    const lines = ["a@x.org, b@x.org;", "a@x.org", ""];
    const sent = sendable(withValue(SAVED, "notices.recipients", lines));
    expect(sent.notices.recipients).toEqual(["a@x.org", "b@x.org"]);
  });

  test("differ where a value differs, not where fields stand in another order", () => {
    expect(same({ a: 1, b: [2] }, { b: [2], a: 1 })).toBe(true);
    expect(differences(SAVED, withValue(SAVED, PATH, 11)).map(({ path }) => path)).toEqual([PATH]);
    expect(valueAt(SAVED, PATH)).toBe(10);
  });
});

const PATH = "guards.users.percent";

describe("settings in words", () => {
  test.each([
    ["days", ["monday", "tuesday", "wednesday", "friday"], "Mon–Wed, Fri"],
    ["time_utc", "02:00:00", "02:00 UTC"],
    ["stale_after_days", null, "never"],
    ["source", null, "none"],
    [PATH, 10, "10 %"],
    ["guards.removals_wait", true, "the rest is applied"],
    [
      "guards.raised",
      { percent: 50, until: null, note: "school closes" },
      "50 % for one run (school closes)",
    ],
  ])("%s", (path, value, words) => {
    expect(inWords(path, value)).toBe(words);
  });
});
