import { expect, test } from "vitest";
import type { RosterPoint } from "../../lib/openapi";
import { place, stepsOf, topOf } from "./line";

function point(at: string, users: number): RosterPoint {
  return {
    run_id: at,
    at: `2026-11-${at}T02:00:00Z`,
    outcome: "succeeded",
    is_undo: false,
    changes: 1,
    active: { users },
    is_rebuilt: false,
  };
}

test("the top of the axis is round and holds all values", () => {
  expect([0, 1, 7, 20, 206, 5001].map((value) => topOf([value]))).toEqual([
    1, 1, 10, 20, 500, 10000,
  ]);
});

test("points lie by their moment, and the line goes in steps", () => {
  const placed = place([point("01", 10), point("02", 5), point("05", 10)], "users");
  expect(placed.map(({ x, y }) => [x, y])).toEqual([
    [0, 100],
    [25, 50],
    [100, 100],
  ]);
  expect(stepsOf(placed)).toBe("0.00,0.00 25.00,0.00 25.00,50.00 100.00,50.00 100.00,0.00");
});

test("one run alone stands in the middle", () => {
  expect(place([point("01", 0)], "users").map(({ x, y }) => [x, y])).toEqual([[50, 0]]);
});
