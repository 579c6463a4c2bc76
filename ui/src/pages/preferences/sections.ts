/** The sections of the preferences: their addresses, their guide pages and the settings in each. */

import { isWithin } from "./form";

/** A section, by its part of the address. */
export type SectionId = "schedule" | "source" | "syncs" | "limits" | "notifications" | "advanced";

/** A section of the preferences. */
export interface SectionOf {
  id: SectionId;
  label: string;
  hint: string;
  /** Its page of the guide. */
  guide: string;
  /** The settings in it, in the order of the page. */
  paths: string[];
}

/** The sections in the order of the page; whatever is in no other one is in the last. */
export const SECTIONS: SectionOf[] = [
  {
    id: "schedule",
    label: "Schedule",
    hint: "When syncs run automatically. Schedules are in UTC.",
    guide: "summer-break.md",
    paths: ["credited_admin", "days", "time_utc", "time_zone", "pause_windows"],
  },
  {
    id: "source",
    label: "Source",
    hint: "Where scheduled syncs find what the SIS exports.",
    guide: "first-sync.md",
    paths: ["source", "source_connection", "source_pattern", "started_by", "source_after"],
  },
  {
    id: "syncs",
    label: "What syncs",
    hint: "What a sync may change. Students and guardians are never read.",
    guide: "first-sync.md",
    paths: ["scope", "teacher_permission", "assignment_roles", "adopt_accounts"],
  },
  {
    id: "limits",
    label: "Safety limits",
    hint: "A plan beyond a limit is held until an administrator approves or discards it.",
    guide: "held-run.md",
    paths: [
      "guards.users",
      "guards.courses",
      "guards.assignments",
      "guards.raised",
      "guards.removals_wait",
      "guards.error_percent",
      "guards.known_percent",
      "approval_hours",
    ],
  },
  {
    id: "notifications",
    label: "Notifications",
    hint: "Messages say what happened and what to do. They contain no names of people.",
    guide: "notifications.md",
    paths: ["notices", "stale_after_days", "done_within_hours"],
  },
  {
    id: "advanced",
    label: "Advanced",
    hint: "For the rollover and for unusual exports. The defaults fit most sites.",
    guide: "rollover.md",
    paths: ["create_only_until", "expire_ended_terms", "profile", "stale_protection_runs"],
  },
];

const FIRST = SECTIONS[0];

const LAST = SECTIONS[SECTIONS.length - 1];

/** Anchors of the page as it was before it had sections. */
const ANCHORS: Record<string, SectionId> = {
  limits: "limits",
  guards: "limits",
  notices: "notifications",
  processing: "syncs",
};

/** Return the section of an address; without a name it is the first, and of an unknown one null. */
export function sectionAt(id: string | null): SectionOf | null {
  return id === null ? FIRST : (SECTIONS.find((one) => one.id === id) ?? null);
}

/** Return the address of a section, from any other one. */
export function addressOf({ id }: SectionOf) {
  return `?section=${id}`;
}

/** Return the section that a setting is in. */
export function sectionOf(path: string): SectionOf {
  return SECTIONS.find(({ paths }) => paths.some((one) => isWithin(path, one))) ?? LAST;
}

/** Return the section that an anchor such as `#source` or `#notices.recipients` meant. */
export function sectionOfAnchor(hash: string): SectionOf | null {
  const name = hash.replace(/^#/, "");
  const section = SECTIONS.find(({ id }) => id === (ANCHORS[name] ?? name));
  return name ? (section ?? sectionOf(name)) : null;
}
