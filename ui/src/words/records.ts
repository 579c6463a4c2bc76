/** The words for records and what is done to them: kinds, actions, fields. */

/** The kinds of records, as counts are keyed. */
export type Kind = "users" | "courses" | "assignments";

/** The kinds in the order of all lists, with their headings. */
export const KINDS: [Kind, string][] = [
  ["users", "Users"],
  ["courses", "Courses"],
  ["assignments", "Course assignments"],
];

/** One record of a kind, for counts: `3 course assignments`. */
export const NOUNS: Record<Kind, string> = {
  users: "user",
  courses: "course",
  assignments: "course assignment",
};

/** Several records of a kind, in a sentence. */
export const PLURALS: Record<Kind, string> = {
  users: "users",
  courses: "courses",
  assignments: "course assignments",
};

/** The kind of one record, as a change or a search names it. */
export type RecordKind = "user" | "course" | "assignment";

/** Each kind of one record, as counts are keyed. */
export const KIND_OF: Record<RecordKind, Kind> = {
  user: "users",
  course: "courses",
  assignment: "assignments",
};

/** The removals of each kind: the key of their count, the participle, and the verb. */
export const REMOVALS: Record<Kind, { count: string; verb: string }> = {
  users: { count: "deactivated", verb: "deactivate" },
  courses: { count: "removed", verb: "remove" },
  assignments: { count: "removed", verb: "remove" },
};

/** What a change does to a record. */
export const ACTIONS: Record<
  string,
  { done: string; would: string; palette: string; sign: string }
> = {
  add: { done: "Added", would: "Would be added", palette: "green", sign: "+" },
  update: { done: "Updated", would: "Would be updated", palette: "blue", sign: "~" },
  adopt: { done: "Adopted", would: "Would be adopted", palette: "purple", sign: "=" },
  rekey: {
    done: "New sourcedId",
    would: "Would get a new sourcedId",
    palette: "purple",
    sign: "=",
  },
  deactivate: { done: "Deactivated", would: "Would be deactivated", palette: "red", sign: "−" },
  remove: { done: "Removed", would: "Would be removed", palette: "red", sign: "−" },
  reactivate: { done: "Reactivated", would: "Would be reactivated", palette: "teal", sign: "+" },
};

/** The counts of a run, in the order of its table. */
export const COUNTS: [string, string[]][] = [
  ["Added", ["added"]],
  ["Updated", ["updated"]],
  ["Adopted", ["adopted"]],
  ["New sourcedId", ["rekeyed"]],
  ["Reactivated", ["reactivated"]],
  ["Deactivated or removed", ["deactivated", "removed"]],
  ["Skipped (errors)", ["errors"]],
  ["Ignored: not staff", ["ignored"]],
];

/** The fields of records, where their names are not words. */
export const FIELDS: Record<string, string> = {
  given_name: "given name",
  family_name: "family name",
  email: "e-mail",
  username: "username",
  role: "role",
  org_sourced_ids: "schools",
  org_sourced_id: "school",
  school_year_sourced_id: "school year",
  sourced_id: "sourcedId",
  course_code: "course code",
  managed: "managed by OneRoster",
};

/** Return the name of one kind of record, with a capital. */
export function kindLabel(kind: RecordKind) {
  const noun = NOUNS[KIND_OF[kind]] ?? kind;
  return noun.charAt(0).toUpperCase() + noun.slice(1);
}
