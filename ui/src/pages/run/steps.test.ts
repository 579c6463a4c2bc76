import { describe, expect, it } from "vitest";
import type { RunDetail } from "../../lib/openapi";
import type { May } from "../../lib/ui";
import { stepsOf } from "./steps";

const ALL = { read: true, details: true, operate: true, administer: true } as May;
const VIEWER = { read: true, details: false, operate: false, administer: false } as May;

const run = (values: object) =>
  ({
    run_id: "r",
    site: "lake",
    kind: "users",
    trigger: "schedule",
    outcome: "failed",
    undoes: null,
    removals_of: null,
    has: { issues: 0, log: true },
    ...values,
  }) as unknown as RunDetail;

const labels = (values: object, may = ALL) => stepsOf(run(values), may).map(({ label }) => label);

describe("the next steps of a run", () => {
  it("of a source that gave nothing are to try again and to look at the source", () => {
    expect(labels({})).toEqual(["Retry now", "Open source settings", "Open the log"]);
  });

  it("of a rejected upload are its findings and another upload of the same kind", () => {
    const steps = stepsOf(
      run({ outcome: "rejected", trigger: "upload", has: { issues: 3, log: true } }),
      ALL,
    );
    expect(steps.map(({ label }) => label)).toEqual([
      "See findings",
      "Upload again",
      "Open the log",
    ]);
    expect(steps[1].to).toContain("/sites/lake/upload?kind=users");
  });

  it("are only what one may do", () => {
    expect(labels({ has: { issues: 1, log: true } }, VIEWER)).toEqual([
      "See findings",
      "Open source settings",
    ]);
    expect(labels({}, { ...ALL, archivedAt: "2026-01-01" })).toEqual([]);
  });

  it("are none of a run that ended well, or was decided about", () => {
    expect(labels({ outcome: "succeeded" })).toEqual([]);
    expect(labels({ outcome: "discarded" })).toEqual([]);
  });
});
