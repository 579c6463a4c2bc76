import { describe, expect, it } from "vitest";
import { heightOf, levelsOf, short } from "./scale";

describe("the scale of the chart", () => {
  it("has a line for each power of ten, up to the highest value", () => {
    expect(levelsOf([])).toEqual([1, 10]);
    expect(levelsOf([3, 10])).toEqual([1, 10]);
    expect(levelsOf([11])).toEqual([1, 10, 100]);
    expect(levelsOf([20_429])).toEqual([1, 10, 100, 1000, 10_000, 100_000]);
  });

  it("draws nothing as nothing, one so that it is seen, and the top line at the top", () => {
    const levels = levelsOf([1000]);
    expect(heightOf(0, levels)).toBe(0);
    expect(heightOf(1, levels)).toBe(25);
    expect(heightOf(1000, levels)).toBe(100);
  });

  it("writes its numbers short", () => {
    expect([1, 100, 1000, 100_000, 1_000_000].map(short)).toEqual(["1", "100", "1k", "100k", "1M"]);
  });
});
