/** What stands beside each setting: its label, and one line of help. What takes more words is in the guide. */

import type { Topic } from "../../lib/openapi";

/** The words of a setting. */
export interface Text {
  label: string;
  help: string;
}

/** A choice of a setting, with what it means. */
export interface Choice {
  value: string;
  label: string;
  meaning: string;
}

/** Label and help of each setting, by its path. */
export const TEXTS: Record<string, Text> = {
  enabled: {
    label: "Scheduled syncs",
    help: "Takes effect immediately. Same as pausing the DAG in Airflow.",
  },
  credited_admin: {
    label: "Credited administrator",
    help: "Recorded as the author of every change. The account has to be active.",
  },
  days: { label: "Days", help: "The days in UTC on which a sync runs." },
  time_utc: { label: "Time (UTC)", help: "Hours and minutes, such as 02:00." },
  time_zone: {
    label: "Time zone of the site",
    help: "Shown beside UTC, on pages and in messages. The schedule stays in UTC.",
  },
  pause_windows: {
    label: "Pauses",
    help: "No scheduled sync runs on these days (UTC, both included). Uploads still work.",
  },
  source: {
    label: "Path or URL",
    help: "A zip, a folder, or a URL such as sftp://sis.example.org/out or s3://bucket/out.",
  },
  source_connection: {
    label: "Airflow connection",
    help: "Its id, such as sis_sftp. It holds login, keys and, for SFTP, the server's host key.",
  },
  source_pattern: {
    label: "Names of packages",
    help: "In a folder, the newest matching file is read. Example: OneRoster-*.zip.",
  },
  started_by: {
    label: "What starts a sync",
    help: "A package is new when it has not changed for a minute. Pauses hold for it too.",
  },
  source_after: {
    label: "After a successful run",
    help: "Into the folder “done” beside it. Otherwise it stays where it is.",
  },
  scope: { label: "Process", help: "For scheduled syncs and uploads of a whole package." },
  teacher_permission: {
    label: "Teachers may edit",
    help: "Applies at once to all courses made by OneRoster, and to no others.",
  },
  assignment_roles: {
    label: "Who is assigned to courses",
    help: "By the role of the enrollment in a class of the course. Teachers always are.",
  },
  adopt_accounts: {
    label: "Accounts made by hand",
    help: "They are linked by e-mail either way. If ticked, name, role and status follow the SIS.",
  },
  "guards.users": { label: "Users deactivated in one sync", help: "" },
  "guards.courses": { label: "Courses removed in one sync", help: "" },
  "guards.assignments": { label: "Course assignments removed in one sync", help: "" },
  "guards.raised": {
    label: "Temporary limit",
    help: "For a night on which more is removed than usual, such as when a school closes.",
  },
  "guards.removals_wait": {
    label: "Pending removals",
    help: "Removals beyond a limit wait in their own run. If unticked, the whole plan waits.",
  },
  "guards.error_percent": { label: "Maximum share of rows with errors", help: "" },
  "guards.known_percent": { label: "Minimum overlap with existing records", help: "" },
  approval_hours: {
    label: "Approval expires after",
    help: "Without a decision by then, the plan is discarded and nothing changes.",
  },
  "notices.recipients": {
    label: "E-mail addresses",
    help: "One on each line. Sent by the Airflow connection smtp_default, which names a sender.",
  },
  "notices.channels": {
    label: "Channels",
    help: "Ids of Airflow connections of the type Apprise, one on each line.",
  },
  "notices.topics": { label: "Notify about", help: "" },
  "notices.errors_from": {
    label: "Alert from this many rows with errors",
    help: "A run with fewer rows with errors sends no message of its own.",
  },
  stale_after_days: {
    label: "Alert if no new export for this many days",
    help: "Days of pauses do not count. Empty: never.",
  },
  done_within_hours: {
    label: "Alert if a scheduled sync is not done within this many hours",
    help: "From the time of the schedule; checked daily at 06:00 UTC. Empty: never.",
  },
  create_only_until: {
    label: "Rollover",
    help: "Until the last day syncs only add: nothing is updated, deactivated or removed.",
  },
  expire_ended_terms: {
    label: "Ended terms",
    help: "Assignments whose terms have all ended do not count towards the limits.",
  },
  profile: {
    label: "How files are read",
    help: "Strict helps to get an export right; tolerant keeps daily syncs going.",
  },
  stale_protection_runs: {
    label: "Protected by a broken row: stale after",
    help: "After so many full syncs the record is listed, and an administrator may release it.",
  },
  encoding: {
    label: "Encoding of the files",
    help: "For a SIS that can't write UTF-8. Uploads too; the strict profile ignores it.",
  },
  delimiter: {
    label: "Delimiter of the files",
    help: "For a SIS that can't write commas. The strict profile ignores it.",
  },
  date_order: {
    label: "Dates in the files",
    help: "For a SIS that can't write YYYY-MM-DD. 9/1/2026 is never guessed.",
  },
  "guards.school": { label: "Removed from one school in one sync", help: "" },
  "guards.week": { label: "Removed within seven days", help: "" },
  "guards.added_users": { label: "Users added in one sync or within seven days", help: "" },
  "guards.reactivated_users": {
    label: "Users reactivated in one sync or within seven days",
    help: "",
  },
  "guards.changed_roles": { label: "Users with another role in one sync", help: "" },
  "guards.moved_terms": { label: "Course assignments in terms that end earlier", help: "" },
  "guards.updated_users": { label: "Users updated in one sync", help: "" },
  "guards.updated_courses": { label: "Courses updated in one sync", help: "" },
  "guards.sourced_ids": { label: "Records with a new sourcedId in one sync", help: "" },
};

/** What the ticks of settings say. */
export const TICKS = {
  source_after: "Move the package aside",
  adopt_accounts: "Let the sync manage them too",
  "guards.raised": "Raise the limits for removals",
  "guards.removals_wait": "Apply additions and updates without waiting for removals",
  create_only_until: "Add-only mode",
  expire_ended_terms: "Don't count ended terms as removals",
};

const STANDARD = "As the standard requires.";

/** The choices of settings that are one of a few, by the path of the setting. */
export const CHOICES: Record<string, Choice[]> = {
  started_by: [
    { value: "schedule", label: "The schedule", meaning: "The days and the time of the schedule." },
    { value: "new_file", label: "A new package", meaning: "Whenever one arrives at the source." },
    { value: "both", label: "Both", meaning: "The schedule, and whatever arrives between." },
  ],
  scope: [
    {
      value: "users_and_courses",
      label: "Users, courses and assignments",
      meaning: "Staff accounts, the courses, and who teaches which.",
    },
    {
      value: "users",
      label: "Users only",
      meaning: "Staff accounts. Courses and assignments stay unchanged.",
    },
  ],
  teacher_permission: [
    {
      value: "units_and_lessons",
      label: "Units and lessons",
      meaning: "Teachers plan their courses themselves.",
    },
    {
      value: "lessons_only",
      label: "Lessons only",
      meaning: "Units are managed centrally; teachers fill them with lessons.",
    },
  ],
  profile: [
    {
      value: "tolerant",
      label: "Tolerant",
      meaning: "Repairs what has one reading only, such as TRUE, and skips other bad rows.",
    },
    {
      value: "strict",
      label: "Strict",
      meaning: "Rejects the whole package at the first violation of the standard.",
    },
  ],
  encoding: [
    { value: "utf-8", label: "UTF-8", meaning: STANDARD },
    { value: "windows-1252", label: "Windows-1252", meaning: "Written by older Windows programs." },
  ],
  delimiter: [
    { value: "comma", label: "Commas", meaning: STANDARD },
    { value: "semicolon", label: "Semicolons", meaning: "As Excel writes in much of Europe." },
    { value: "tab", label: "Tabs", meaning: "Text files separated by tabs." },
    { value: "bar", label: "Vertical bars", meaning: "Values separated by |." },
  ],
  date_order: [
    { value: "iso", label: "YYYY-MM-DD", meaning: STANDARD },
    { value: "month_first", label: "MM/DD/YYYY", meaning: "9/1/2026 is the first of September." },
    { value: "day_first", label: "DD/MM/YYYY", meaning: "9/1/2026 is the ninth of January." },
  ],
};

/** What each topic of the notifications is about. */
export const TOPIC_TEXTS: Record<Topic, Text> = {
  held: {
    label: "Approval needed",
    help: "A plan is held until an administrator approves or discards it.",
  },
  failed: { label: "Failed syncs", help: "A sync could not be completed." },
  rejected: { label: "Rejected packages", help: "A package cannot be used at all." },
  errors: { label: "Many errors", help: "A run had as many rows with errors as set below." },
  stale: { label: "No new export", help: "No new export has come for the days set below." },
  unapplied: { label: "No changes applied", help: "Several syncs in a row were not applied." },
  digest: { label: "Weekly summary", help: "On Mondays: the outcomes and changes of the week." },
};

/** The previews of messages. */
export const PREVIEW = {
  verb: "Preview",
  example: "Example",
  invented: "This site has no such case yet, so the numbers are invented.",
  real: "As it would be sent now.",
  run: "See the run",
  subject: "Subject:",
  html: "Mail",
  text: "Plain text and chats",
};

/** Why syncs are paused over the summer. */
export const SUMMER_REASONS = [
  "People whom the SIS drops over the summer would be deactivated.",
  "Next year's courses would be made before they are ready.",
  "Work on this and last year's curriculum could be overwritten.",
  "Archived years and new ids would be reported as errors.",
  "The SIS can be rolled over in peace, with no sync of a half-finished year.",
  "There is time to review the data before school begins.",
];
