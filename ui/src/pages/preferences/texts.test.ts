import { describe, expect, test } from "vitest";
import type { ThresholdExamples } from "../../lib/openapi";
import { fewestKnown, heldFrom, manyErrors, UNCLEAR } from "./held";
import { sectionAt, sectionOf, sectionOfAnchor, SECTIONS } from "./sections";
import { SETTINGS } from "./settings";
import { CHOICES, SUMMER_REASONS, TEXTS, TOPIC_TEXTS } from "./texts";

const LONGEST = 90;

const MANY = 1_234_567;

const EXAMPLES: ThresholdExamples = {
  is_example: true,
  guards: {},
  errors: { of: MANY, held_from: MANY },
  known: { of: MANY, held_from: MANY },
};

const OWN = { ...EXAMPLES, is_example: false };

const TWO = [
  { of: 40, held_from: 5 },
  { of: 5000, held_from: 500 },
];

describe("the words of settings", () => {
  test("are there for each of them, a limit's three numbers having one label", () => {
    for (const { path } of SETTINGS) {
      const own = path.replace(/\.(percent|minimum|cap)$/, "");
      expect(TEXTS[path] ?? TEXTS[own], path).toBeDefined();
    }
  });

  test.each([
    ...Object.values(TEXTS).flatMap(({ label, help }) => [label, help]),
    ...Object.values(TOPIC_TEXTS).flatMap(({ label, help }) => [label, help]),
    ...Object.values(CHOICES).flatMap((some) => some.map(({ meaning }) => meaning)),
    ...SECTIONS.map(({ hint }) => hint),
    ...SUMMER_REASONS,
    UNCLEAR,
    heldFrom(TWO, "assignments", true),
    heldFrom([{ of: MANY, held_from: MANY }], "assignments"),
    heldFrom([{ of: MANY, held_from: null }], "assignments"),
    ...[null, EXAMPLES, OWN].flatMap((one) => [manyErrors(one), fewestKnown(one)]),
  ])("are one line: %s", (words) => {
    expect(words.length).toBeLessThanOrEqual(LONGEST);
  });

  test("name the site's own numbers, or examples where it has no roster", () => {
    expect(heldFrom([{ of: 1204, held_from: 121 }], "users")).toBe(
      "Held from 121 of your 1,204 users.",
    );
    expect(heldFrom(TWO, "users", true)).toBe("Held: from 5 of 40 users; from 500 of 5,000.");
    expect(heldFrom([{ of: 3, held_from: null }, TWO[1]], "users", true)).toBe(
      "Held: all of 3 users may go through; from 500 of 5,000.",
    );
    expect(heldFrom(undefined, "users")).toBe(UNCLEAR);
    expect(fewestKnown({ ...OWN, known: { of: 3, held_from: 0 } })).toMatch(/^Never held/);
    expect(manyErrors({ ...OWN, errors: { of: 200, held_from: null } })).toMatch(/^Never held/);
  });
});

describe("sections", () => {
  test("have addresses; the first one needs none, and an unknown one is none", () => {
    expect(sectionAt(null)?.id).toBe("schedule");
    expect(sectionAt("limits")?.label).toBe("Safety limits");
    expect(sectionAt("nowhere")).toBeNull();
  });

  test("hold each setting once, and anchors of the one long page lead to them", () => {
    expect(sectionOf("guards.users.minimum").id).toBe("limits");
    expect(sectionOf("guards.week.cap").id).toBe("advanced");
    expect(sectionOf("pause_windows.3").id).toBe("schedule");
    expect(sectionOfAnchor("#source")?.id).toBe("source");
    expect(sectionOfAnchor("#notices.recipients")?.id).toBe("notifications");
    expect(sectionOfAnchor("#limits")?.id).toBe("limits");
    expect(sectionOfAnchor("")).toBeNull();
  });
});
