/** What an approval comes to, in a few words. */

import { counted } from "../../lib/words";

type Counts = Record<string, Record<string, number>>;

const REMOVALS: [string, string, string, string][] = [
  ["users", "deactivated", "deactivate", "user"],
  ["courses", "removed", "remove", "course"],
  ["assignments", "removed", "remove", "course assignment"],
];

const NO_CHANGE = new Set(["errors", "ignored"]);

/** Return what a plan takes away, people first, as `deactivate 94 users`; else how much it changes. */
export function consequenceOf(counts: Counts | null) {
  for (const [kind, word, verb, noun] of REMOVALS) {
    const count = counts?.[kind]?.[word] ?? 0;
    if (count > 0) {
      return `${verb} ${counted(count, noun)}`;
    }
  }
  return `apply ${counted(changesOf(counts), "change")}`;
}

/** Return how many records a plan takes away. */
export function removalsOf(counts: Counts | null) {
  return REMOVALS.reduce((sum, [kind, word]) => sum + (counts?.[kind]?.[word] ?? 0), 0);
}

function changesOf(counts: Counts | null) {
  const numbers = Object.values(counts ?? {}).flatMap((of) => Object.entries(of));
  return numbers.reduce((sum, [word, count]) => (NO_CHANGE.has(word) ? sum : sum + count), 0);
}
