import { describe, expect, it } from "vitest";
import type { SiteState } from "../../lib/openapi";
import { listed, type SortKey } from "./order";

const site = (name: string, more: object = {}, health: object = {}) =>
  ({
    site: name,
    title: null,
    enabled: true,
    archived_at: null,
    next_run: null,
    standstill: { since: null },
    ...more,
    health: { level: null, waiting: 0, active: null, errors: null, has_export: false, ...health },
  }) as unknown as SiteState;

const SITES = [
  site("calm", { enabled: false }, { active: { users: 12 }, errors: 0 }),
  site("held", { title: "Lake District" }, { level: "warning", waiting: 1, active: { users: 90 } }),
  site("broken", {}, { level: "error", errors: 7 }),
  site("old", { archived_at: "2026-01-01" }),
];

const names = (by: SortKey, isReversed = false, text = "", shown = "all") =>
  listed(SITES, text, shown, { by, isReversed }).map((one) => one.site);

describe("the list of sites", () => {
  it("has what needs attention first, and the rest by name", () => {
    expect(names("attention")).toEqual(["broken", "held", "calm"]);
    expect(names("attention", true)).toEqual(["calm", "held", "broken"]);
  });

  it("is sorted by numbers, the largest first, and what has none comes last", () => {
    expect(names("users")).toEqual(["held", "calm", "broken"]);
    expect(names("errors")).toEqual(["broken", "calm", "held"]);
  });

  it("is narrowed to what is asked for; a search looks at both names", () => {
    expect(names("site", false, "", "attention")).toEqual(["broken", "held"]);
    expect(names("site", false, "", "approval")).toEqual(["held"]);
    expect(names("site", false, "", "off")).toEqual(["calm"]);
    expect(names("site", false, "", "archived")).toEqual(["old"]);
    expect(names("site", false, "lake d")).toEqual(["held"]);
  });
});
