import { describe, expect, it } from "vitest";
import { consequenceOf, removalsOf } from "./consequence";

describe("what an approval comes to", () => {
  it("is who is deactivated, before what is removed", () => {
    const counts = {
      users: { added: 4, deactivated: 94, errors: 2 },
      courses: { removed: 3 },
      assignments: { removed: 80 },
    };
    expect(consequenceOf(counts)).toBe("deactivate 94 users");
    expect(consequenceOf({ ...counts, users: { added: 4 } })).toBe("remove 3 courses");
    expect(consequenceOf({ assignments: { removed: 1 } })).toBe("remove 1 course assignment");
    expect(removalsOf(counts)).toBe(177);
  });

  it("is the number of changes where nothing is taken away", () => {
    expect(consequenceOf({ users: { added: 4, updated: 2, errors: 9, ignored: 40 } })).toBe(
      "apply 6 changes",
    );
    expect(consequenceOf(null)).toBe("apply 0 changes");
    expect(removalsOf(null)).toBe(0);
  });
});
