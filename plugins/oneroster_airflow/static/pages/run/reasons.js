/** Why a plan is held, in words. */

import { number } from "../../lib/words.js";

const KINDS = { users: "users", courses: "courses", assignments: "course assignments" };

const REASONS = {
  "guard.removals": ({ found, of, kind }) => `${numbers(found, of)} managed ${nameOf(kind)} would be ${goneOf(kind)}.`,
  "guard.school_removals": ({ found, of, kind, school }) =>
    `${numbers(found, of)} ${nameOf(kind)} of ${school} would be ${goneOf(kind)}.`,
  "guard.week_removals": ({ found, of, kind, days, earlier }) =>
    `${numbers(found, of)} managed ${nameOf(kind)} within ${days} days: ${number(earlier)} were ${goneOf(kind)} by earlier runs that nobody approved, ${number(found - earlier)} would be by this plan.`,
  "guard.additions": ({ found, of, days, earlier }) =>
    `${number(found)} users would be added to ${number(of)} active ones${within(days, earlier)}.`,
  "guard.reactivations": ({ found, of, days, earlier }) =>
    `${number(found)} users would be reactivated beside ${number(of)} active ones${within(days, earlier)}.`,
  "guard.blank_enabled_user": ({ found }) =>
    `${number(found)} accounts that enabledUser=false had disabled would come back because the column is blank or missing.`,
  "guard.not_primary": ({ found, of }) =>
    `${numbers(found, of)} managed users would be deactivated because none of their primary roles is a staff role.`,
  "guard.role_changes": ({ found, of }) => `${numbers(found, of)} managed users would get another role.`,
  "guard.moved_terms": ({ found, of }) =>
    `${numbers(found, of)} course assignments hang from terms that would end more than 14 days earlier.`,
  "guard.updates": ({ found, of, kind }) => `${numbers(found, of)} managed ${nameOf(kind)} would be updated.`,
  "guard.error_rate": ({ found, of, kind }) => `${numbers(found, of)} rows of ${kind} have errors.`,
  "guard.empty_file": ({ kind }) => `${kind} has no rows: everything of its kind would be removed.`,
  "guard.identity_shift": ({ found, of, kind }) =>
    `${numbers(found, of)} ${nameOf(kind)} come under another sourcedId. Approved, they stay the same ${nameOf(kind)}.`,
  "guard.wrong_source": ({ found, of, kind }) =>
    kind === "delta"
      ? `Only ${number(found)} of the ${number(of)} rows of the delta name or point to anything that is known.`
      : `Only ${number(found)} of the ${number(of)} known ${nameOf(kind)} are in the package.`,
  "guard.other_year": () => "The package is of another school year.",
  "guard.look_alikes": ({ found, of }) =>
    `${numbers(found, of)} accounts made by hand look like people of the package, who would get a second account each.`,
};

const ADVICE = {
  "guard.removals": "Is the export complete, and are these people and courses really gone?",
  "guard.school_removals": "Is this school missing from the export?",
  "guard.week_removals": "Each of these runs was within the limits. Ask the SIS team whether so many people and courses really left.",
  "guard.additions": "Is the package of this district, and are these people not there already under other sourcedIds?",
  "guard.reactivations": "Should these people be able to log in again? Who was merely absent from a file is not counted.",
  "guard.blank_enabled_user": "Export enabledUser with true or false. Approved, these people can log in again.",
  "guard.not_primary": "Check roleType in roles.csv. A student who assists has a secondary staff role. If you approve, such accounts are deactivated.",
  "guard.role_changes": "A role that is mapped wrongly looks like this. The tab Changes shows each old and new role.",
  "guard.moved_terms": "Check the end dates of academicSessions.csv: what hangs from a term that is over ends without being counted.",
  "guard.updates": "A column that moved, or the export of another source, looks like this. The tab Changes shows what would change.",
  "guard.error_rate": "The tab Findings tells what to mend in the SIS.",
  "guard.empty_file": "An export that was cut off looks like this. Export the file again.",
  "guard.identity_shift": "Ask the SIS team whether the sourcedIds changed. The tab Changes shows each old and new one.",
  "guard.wrong_source": "Check that the package is of this district and of this year.",
  "guard.look_alikes":
    "The tab Accounts shows who is like whom. To link them, download its list, discard this plan, delete the lines that are wrong, upload the rest as links.csv and sync again.",
  "guard.other_year": "Export this year's package, or approve the plan if that year has begun.",
};

/**
 * Say what a guard found, in one sentence.
 *
 * @param {object} hold
 * @returns {string}
 */
export function holdInWords(hold) {
  return REASONS[hold.code]?.(hold) ?? hold.text;
}

/**
 * Say what to think of when a guard holds a plan.
 *
 * @param {object} hold
 * @returns {string|undefined}
 */
export function adviceOn({ code }) {
  return ADVICE[code];
}

/**
 * Return what a kind of record is called among many.
 *
 * @param {string} kind
 * @returns {string}
 */
export function nameOf(kind) {
  return KINDS[kind] ?? kind;
}

function numbers(found, of) {
  return `${number(found)} of ${number(of)}`;
}

function within(days, earlier) {
  return days ? ` within ${days} days, ${number(earlier)} of them by earlier runs` : "";
}

function goneOf(kind) {
  return kind === "users" ? "deactivated" : "removed";
}
