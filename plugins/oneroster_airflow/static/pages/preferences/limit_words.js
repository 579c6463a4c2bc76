/** What limits mean for a small and for a large site. */

import { number } from "../../lib/words.js";

const FEW = 5;
const EXAMPLE = 200;

/** What a limit means that is still being typed. */
export const UNCLEAR =
  "Both the percentage and the number must be reached; above the last number a sync always waits.";

/**
 * Say from how many records on a sync waits.
 *
 * @param {object} limit With `percent`, `minimum` and `cap`.
 * @param {string} noun What is counted.
 * @param {number[]} sizes Of the sites that are told as examples.
 * @returns {string|null} Nothing while the limit can't be used.
 */
export function heldFrom(limit, noun, sizes) {
  if (!isPercent(limit.percent) || !Number.isInteger(limit.minimum)) {
    return null;
  }
  const parts = sizes.map((of) => {
    const from = firstHeld(limit, of);
    return `of ${number(of)} ${noun}, ${from > of ? "never" : `${number(from)} or more`}`;
  });
  return parts.join("; ");
}

/**
 * Say what the limit for rows with errors means.
 *
 * @param {*} percent As it was typed.
 * @returns {string}
 */
export function errorWords(percent) {
  if (!isPercent(percent)) {
    return "A percentage of one file's rows of staff.";
  }
  const from = Math.max(FEW, Math.floor(share(percent, EXAMPLE)) + 1);
  const many = from > EXAMPLE ? "no number of rows makes" : `${number(from)} or more with errors make`;
  return `Of one file's rows of staff. For example: of ${EXAMPLE} rows, ${many} the sync wait. Fewer than ${FEW} never do.`;
}

/**
 * Say what the limit for known records means.
 *
 * @param {*} percent As it was typed.
 * @returns {string}
 */
export function knownWords(percent) {
  if (!isPercent(percent)) {
    return "A percentage of the users, and of the courses, that earlier syncs brought.";
  }
  const below = Math.ceil(share(percent, EXAMPLE));
  const why = "Guards against the export of another school, or of a school year with new ids.";
  return below > 0
    ? `${why} For example: with ${EXAMPLE} users from earlier syncs, a file that holds fewer than ${number(below)} of them waits.`
    : `${why} At 0 % it holds nothing.`;
}

function firstHeld({ percent, minimum, cap }, of) {
  const both = Math.max(minimum, Math.ceil(share(percent, of)));
  return Number.isInteger(cap) ? Math.min(both, cap + 1) : both;
}

function share(percent, of) {
  return Math.round((percent * of * 1e6) / 100) / 1e6;
}

function isPercent(value) {
  return typeof value === "number" && value >= 0 && value <= 100;
}
