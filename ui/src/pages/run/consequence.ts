/** What an approval comes to, in a few words. */

import { counted } from "../../lib/words";
import { KINDS, NOUNS, REMOVALS } from "../../words/records";

type Counts = Record<string, Record<string, number>>;

const NO_CHANGE = new Set(["errors", "ignored"]);

/** Return what a plan takes away, people first, as `deactivate 94 users`; else how much it changes. */
export function consequenceOf(counts: Counts | null) {
  for (const [kind] of KINDS) {
    const { count: word, verb } = REMOVALS[kind];
    const count = counts?.[kind]?.[word] ?? 0;
    if (count > 0) {
      return `${verb} ${counted(count, NOUNS[kind])}`;
    }
  }
  return `apply ${counted(changesOf(counts), "change")}`;
}

/** Return how many records a plan takes away. */
export function removalsOf(counts: Counts | null) {
  return KINDS.reduce((sum, [kind]) => sum + (counts?.[kind]?.[REMOVALS[kind].count] ?? 0), 0);
}

function changesOf(counts: Counts | null) {
  const numbers = Object.values(counts ?? {}).flatMap((of) => Object.entries(of));
  return numbers.reduce((sum, [word, count]) => (NO_CHANGE.has(word) ? sum : sum + count), 0);
}
