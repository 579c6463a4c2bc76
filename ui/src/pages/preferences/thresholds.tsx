/** Limits: from how many records on a sync waits for a person's decision. */

import { Flex, Grid, Text } from "@chakra-ui/react";
import { type ReactNode, useState } from "react";
import { Disclosure } from "../../lib/dialogs";
import type { Limit } from "../../lib/openapi";
import { number } from "../../lib/words";
import { Labelled, NumberBox, Section, Setting, Tick, useForm } from "./fields";
import { isWithin } from "./form";
import { Raised } from "./raised_threshold";
import type { LimitName } from "./settings";

const KINDS: { kind: LimitName; label: string; noun: string; verb: string; sizes: number[] }[] = [
  { kind: "users", label: "Users", noun: "users", verb: "deactivated", sizes: [40, 2000] },
  { kind: "courses", label: "Courses", noun: "courses", verb: "removed", sizes: [40, 1000] },
  {
    kind: "assignments",
    label: "Course assignments",
    noun: "assignments",
    verb: "removed",
    sizes: [100, 5000],
  },
];

/** The group of settings about limits. */
export function Limits() {
  return (
    <Section
      title="Limits"
      hint="What is beyond a limit is not done. It waits until a person has looked at it and approves or discards it."
    >
      {KINDS.map((kind) => (
        <Removals key={kind.kind} {...kind} />
      ))}
      <Raised />
      <RemovalsWait />
      <ErrorRate />
      <KnownRate />
      <ApprovalHours />
      <StaleProtection />
      <MoreLimits />
    </Section>
  );
}

function Removals({
  kind,
  label,
  noun,
  verb,
  sizes,
}: {
  kind: LimitName;
  label: string;
  noun: string;
  verb: string;
  sizes: number[];
}) {
  const { settings } = useForm();
  const from = heldFrom(settings.guards[kind], noun, sizes);
  return (
    <LimitRow
      kind={kind}
      label={`${label} ${verb} in one sync`}
      help={from ? `Waits when so many would be ${verb}: ${from}.` : UNCLEAR}
    />
  );
}

function RemovalsWait() {
  const { draft, change, isReadOnly } = useForm();
  return (
    <Setting path="guards.removals_wait" label="Pending removals" group>
      {() => (
        <Tick
          checked={draft.guards.removals_wait}
          disabled={isReadOnly}
          label="Apply additions and updates without waiting for removals"
          help="Where nothing but removals is beyond a limit, what is added and updated is applied at once. The removals wait in a run of their own, to be approved or discarded. Unticked, the whole plan waits."
          onChange={(isOn) => change("guards.removals_wait", isOn)}
        />
      )}
    </Setting>
  );
}

function ErrorRate() {
  const { settings } = useForm();
  return (
    <Setting
      path="guards.error_percent"
      label="Maximum share of rows with errors"
      help={errorWords(settings.guards.error_percent)}
    >
      {(control) => <NumberBox {...control} path="guards.error_percent" unit="%" />}
    </Setting>
  );
}

function KnownRate() {
  const { settings } = useForm();
  return (
    <Setting
      path="guards.known_percent"
      label="Minimum overlap with existing records"
      help={knownWords(settings.guards.known_percent)}
    >
      {(control) => <NumberBox {...control} path="guards.known_percent" unit="%" />}
    </Setting>
  );
}

function ApprovalHours() {
  const { settings } = useForm();
  return (
    <Setting
      path="approval_hours"
      label="Approval expires after"
      help={waitWords(settings.approval_hours)}
    >
      {(control) => <NumberBox {...control} path="approval_hours" unit="hours" />}
    </Setting>
  );
}

function StaleProtection() {
  return (
    <Setting
      path="stale_protection_runs"
      label="Protected by a broken row: stale after"
      help="A row that can't be used leaves its record as it is. After so many syncs with the whole file the record is listed as stale, and people are told. An administrator may then release it; nothing is released by itself."
    >
      {(control) => <NumberBox {...control} path="stale_protection_runs" unit="syncs" />}
    </Setting>
  );
}

function waitWords(hours: unknown) {
  const days =
    isWhole(hours) && hours >= 48 && hours % 24 === 0 ? ` That is ${hours / 24} days.` : "";
  return `A plan that nobody decided about by then is discarded, and changes nothing.${days}`;
}

/**
 * Show a limit with its three numbers.
 *
 * @param props.kind Its name among the guards.
 */
export function LimitRow({ kind, label, help }: { kind: LimitName; label: string; help: string }) {
  const path = `guards.${kind}`;
  return (
    <Setting path={path} label={label} group help={help}>
      {() => (
        <Flex gap="2" align="flex-end" wrap="wrap">
          <Part path={`${path}.percent`} label="Percent" unit="%" />
          <Between>and</Between>
          <Part path={`${path}.minimum`} label="At least" />
          <Flex gap="2" align="flex-end">
            <Between>or</Between>
            <Part path={`${path}.cap`} label="More than" placeholder="no cap" />
          </Flex>
        </Flex>
      )}
    </Setting>
  );
}

/** A number of a setting, with a small label of its own. */
export function Part({
  path,
  label,
  unit,
  placeholder,
}: {
  path: string;
  label: string;
  unit?: string;
  placeholder?: string;
}) {
  const { errors } = useForm();
  const isWrong = errors.some(({ field }) => field === path);
  return (
    <Labelled label={label} data-setting={path}>
      <NumberBox
        path={path}
        unit={unit}
        placeholder={placeholder}
        aria-invalid={isWrong ? true : undefined}
      />
    </Labelled>
  );
}

function Between({ children }: { children: ReactNode }) {
  return (
    <Text as="span" color="fg.muted" pb="1.5" fontSize="sm">
      {children}
    </Text>
  );
}

const LIMITS: {
  kind: LimitName;
  label: string;
  noun: string;
  sizes: number[];
  meaning: (from: string) => string;
}[] = [
  {
    kind: "school",
    label: "Gone from one school in one sync",
    noun: "users, courses or assignments",
    sizes: [10, 100],
    meaning: (from: string) =>
      `A school that is missing from an export is few records of a large district. Waits when so many of one school would be removed: ${from}.`,
  },
  {
    kind: "week",
    label: "Gone within seven days",
    noun: "users, courses or assignments",
    sizes: [100, 2000],
    meaning: (from: string) =>
      `Nine per cent a night is within the limits and takes half a school in a week. Counts what went without a person's approval. Waits when so many would be gone: ${from}.`,
  },
  {
    kind: "added_users",
    label: "Users added in one sync or within seven days",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from: string) =>
      `Another district's export adds its people. Not for the first sync. Waits when so many would be added: ${from}.`,
  },
  {
    kind: "reactivated_users",
    label: "Users reactivated in one sync or within seven days",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from: string) =>
      `Who was merely absent in the last 30 days is not counted, so that a corrected export heals by itself. Waits when so many would come back: ${from}.`,
  },
  {
    kind: "changed_roles",
    label: "Users with another role in one sync",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from: string) =>
      `A role that is mapped wrongly changes many at once. Waits when so many would change: ${from}.`,
  },
  {
    kind: "moved_terms",
    label: "Course assignments in terms that end earlier",
    noun: "assignments",
    sizes: [100, 5000],
    meaning: (from: string) =>
      `What hangs from a term that is over ends without being counted. Waits when the end of terms moves more than 14 days earlier, with so many in them: ${from}.`,
  },
  {
    kind: "updated_users",
    label: "Users updated in one sync",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from: string) =>
      `A column that moved updates everybody at once. Waits when so many would be updated: ${from}.`,
  },
  {
    kind: "updated_courses",
    label: "Courses updated in one sync",
    noun: "courses",
    sizes: [40, 1000],
    meaning: (from: string) => `Waits when so many would be updated: ${from}.`,
  },
  {
    kind: "sourced_ids",
    label: "Records with a new sourcedId in one sync",
    noun: "users or courses",
    sizes: [40, 2000],
    meaning: (from: string) =>
      `Who comes with the same login under another sourcedId stays the same person, and a course with the same code and title the same course. Waits when there are so many: ${from}.`,
  },
];

/** The limits for schools, for a week, for what comes and changes, and for sourcedIds; open while one of them can't be used. */
export function MoreLimits() {
  const { settings, errors } = useForm();
  const [isOpen, setIsOpen] = useState(false);
  const isWrong = errors.some(({ field }) =>
    LIMITS.some(({ kind }) => isWithin(field, `guards.${kind}`)),
  );
  if (isWrong && !isOpen) {
    setIsOpen(true);
  }
  return (
    <Disclosure
      label="More limits: schools, a week, additions, updates, sourcedIds"
      isOpen={isOpen}
      onToggle={setIsOpen}
    >
      <Grid gap="6" templateColumns="minmax(0, 1fr)">
        {LIMITS.map(({ kind, label, noun, sizes, meaning }) => {
          const from = heldFrom(settings.guards[kind], noun, sizes);
          return (
            <LimitRow key={kind} kind={kind} label={label} help={from ? meaning(from) : UNCLEAR} />
          );
        })}
      </Grid>
    </Disclosure>
  );
}

const FEW = 5;

const EXAMPLE = 200;

/** What a limit means that is still being typed. */
export const UNCLEAR =
  "Both the percentage and the number must be reached; above the last number a sync always waits.";

/**
 * Say from how many records on a sync waits.
 *
 * @param limit With `percent`, `minimum` and `cap`.
 * @param noun What is counted.
 * @param sizes Of the sites that are told as examples.
 * @returns Nothing while the limit can't be used.
 */
export function heldFrom(limit: Limit, noun: string, sizes: number[]) {
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
 * @param percent As it was typed.
 */
export function errorWords(percent: unknown) {
  if (!isPercent(percent)) {
    return "A percentage of one file's rows of staff.";
  }
  const from = Math.max(FEW, Math.floor(share(percent, EXAMPLE)) + 1);
  const many =
    from > EXAMPLE ? "no number of rows makes" : `${number(from)} or more with errors make`;
  return `Of one file's rows of staff. For example: of ${EXAMPLE} rows, ${many} the sync wait. Fewer than ${FEW} never do.`;
}

/**
 * Say what the limit for known records means.
 *
 * @param percent As it was typed.
 */
export function knownWords(percent: unknown) {
  if (!isPercent(percent)) {
    return "A percentage of the users, and of the courses, that earlier syncs brought.";
  }
  const below = Math.ceil(share(percent, EXAMPLE));
  const why = "Guards against the export of another school, or of a school year with new ids.";
  return below > 0
    ? `${why} For example: with ${EXAMPLE} users from earlier syncs, a file that holds fewer than ${number(below)} of them waits.`
    : `${why} At 0 % it holds nothing.`;
}

function firstHeld({ percent, minimum, cap }: Limit, of: number) {
  const both = Math.max(minimum, Math.ceil(share(percent, of)));
  return isWhole(cap) ? Math.min(both, cap + 1) : both;
}

function share(percent: number, of: number) {
  return Math.round((percent * of * 1e6) / 100) / 1e6;
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value);
}

function isPercent(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 100;
}
