/** The files that can be uploaded, and what each of them touches. */

import type { Problem } from "../../lib/api";
import type { Kind } from "../../lib/openapi";

/** A file that can be uploaded. */
export interface UploadKind {
  kind: Kind;
  file: string;
  accept: string;
  title: string;
  touches: string;
  leaves: string;
}

/** In the order of the page. */
export const KINDS: UploadKind[] = [
  {
    kind: "users",
    file: "users.csv",
    accept: ".csv,text/csv",
    title: "Users only",
    touches: "Adds, updates and deactivates staff accounts.",
    leaves: "Courses and course assignments stay as they are.",
  },
  {
    kind: "courses",
    file: "courses.csv",
    accept: ".csv,text/csv",
    title: "Courses",
    touches: "Adds, updates and removes courses. A removed course takes its assignments along.",
    leaves: "Users stay as they are.",
  },
  {
    kind: "package",
    file: "OneRoster.zip",
    accept: ".zip,application/zip",
    title: "Everything",
    touches: "Users, courses and course assignments, as far as the site processes them.",
    leaves: "The whole export of the SIS, as one zip.",
  },
];

/** What only administrators bring: who is who. */
export const MAPPINGS: UploadKind[] = [
  {
    kind: "links",
    file: "links.csv",
    accept: ".csv,text/csv",
    title: "Account links",
    touches:
      "Links accounts made by hand to people in the SIS; the sync manages them from then on.",
    leaves: "Columns email and sourcedId. The tab Accounts of a run has a file to begin with.",
  },
  {
    kind: "ids",
    file: "ids.csv",
    accept: ".csv,text/csv",
    title: "New sourcedIds",
    touches:
      "Gives users and courses new sourcedIds, so that they stay the same records in a new SIS.",
    leaves: "Columns kind (user or course), oldSourcedId and newSourcedId.",
  },
];

const ALL = [...KINDS, ...MAPPINGS];

/** Return the kind of a name. */
export function kindOf(kind: Kind) {
  return ALL.find((one) => one.kind === kind);
}

/**
 * Return the kind that a refused file is of, where it can be uploaded at all.
 *
 * @param kinds What the viewer may upload.
 */
export function rightKind(problem: Problem, kinds: UploadKind[]) {
  if (problem.code !== "upload.wrong_kind") {
    return undefined;
  }
  const [, what] = /; this is (.+?)\. /.exec(`${problem.detail} `) ?? [];
  return kinds.find(({ kind, file }) => what === file || (kind === "package" && what === "a zip"));
}

/** Say when a file is not named as expected; the name does not decide anything. */
export function nameHint(kind: Kind, file: File) {
  const named = file.name.toLowerCase();
  const other = ALL.find((one) => one.kind !== kind && named === one.file.toLowerCase());
  if (other) {
    return `By its name this is ${other.file}, which has its own box here. The content decides, not the name.`;
  }
  const ending = kind === "package" ? ".zip" : ".csv";
  return named.endsWith(ending)
    ? null
    : `Its name does not end in ${ending}. The content decides, not the name.`;
}
