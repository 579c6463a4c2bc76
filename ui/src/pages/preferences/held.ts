/** What the limits come to, in a line: the numbers are the server's. */

import type { HeldFrom, ThresholdExamples } from "../../lib/openapi";
import { number } from "../../lib/words";

/** What a limit means whose numbers are still being typed. */
export const UNCLEAR =
  "Held when both the percentage and the number are reached, or the last one is passed.";

/**
 * Say from how many records on a plan is held.
 *
 * @param found For one roster or several; nothing while the limit can't be used.
 * @param noun What is counted.
 * @param isExample Whether the site has no roster yet; a school is always an example.
 */
export function heldFrom(found: HeldFrom[] | undefined, noun: string, isExample = false) {
  if (!found) {
    return UNCLEAR;
  }
  if (!isExample && found.length === 1) {
    const [{ of, held_from: from }] = found;
    return from === null
      ? `Never held: all of your ${number(of)} ${noun} may go through.`
      : `Held from ${number(from)} of your ${number(of)} ${noun}.`;
  }
  const parts = found.map(({ of, held_from: from }, index) => {
    const whole = `${number(of)}${index ? "" : ` ${noun}`}`;
    return from === null ? `all of ${whole} may go through` : `from ${number(from)} of ${whole}`;
  });
  return `Held: ${parts.join("; ")}.`;
}

/** Say from how many rows with errors on a file is held. */
export function manyErrors(examples: ThresholdExamples | null) {
  if (!examples) {
    return "A percentage of one file's rows of staff.";
  }
  const { of, held_from: from } = examples.errors;
  return from === null
    ? "Never held, however many rows have errors."
    : `Of one file's rows of staff: held from ${number(from)} with errors in ${number(of)} rows.`;
}

/** Say how many of the records from earlier syncs a file must hold. */
export function fewestKnown(examples: ThresholdExamples | null) {
  if (!examples) {
    return "A percentage of the users, and of the courses, that earlier syncs brought.";
  }
  const { of, held_from: fewest } = examples.known;
  if (!fewest) {
    return "Never held, even if it is the export of another school.";
  }
  const whose = examples.is_example ? "" : "your ";
  return `Held if a file has fewer than ${number(fewest)} of ${whose}${number(of)} users: another school's?`;
}
