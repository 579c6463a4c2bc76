/** Limits: what a sync may not do without a person's word. */

import { h } from "../../lib/ui.js";
import { LimitRow } from "./limit_row.js";
import { UNCLEAR, errorWords, heldFrom, knownWords } from "./limit_words.js";
import { MoreLimits } from "./more_limits.js";
import { NumberBox, Section, Setting, Tick, useForm } from "./parts.js";
import { Raised } from "./raised.js";

const KINDS = [
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
  return h(
    Section,
    {
      title: "Limits",
      hint: "What is beyond a limit is not done. It waits until a person has looked at it and approves or discards it.",
    },
    KINDS.map((kind) => h(Removals, { key: kind.kind, ...kind })),
    h(Raised),
    h(RemovalsWait),
    h(ErrorRate),
    h(KnownRate),
    h(ApprovalHours),
    h(StaleProtection),
    h(MoreLimits),
  );
}

function Removals({ kind, label, noun, verb, sizes }) {
  const { settings } = useForm();
  const from = heldFrom(settings.guards[kind], noun, sizes);
  return h(LimitRow, {
    kind,
    label: `${label} ${verb} in one sync`,
    help: from ? `Waits when so many would be ${verb}: ${from}.` : UNCLEAR,
  });
}

function RemovalsWait() {
  const { draft, change, isReadOnly } = useForm();
  return h(
    Setting,
    { path: "guards.removals_wait", label: "While removals wait", group: true },
    () =>
      h(Tick, {
        checked: draft.guards.removals_wait,
        disabled: isReadOnly,
        label: "The rest of the plan goes on",
        help: "Where nothing but removals is beyond a limit, what is added and updated is applied at once. The removals wait in a run of their own, to be approved or discarded. Unticked, the whole plan waits.",
        onChange: (isOn) => change("guards.removals_wait", isOn),
      }),
  );
}

function ErrorRate() {
  const { settings } = useForm();
  return h(
    Setting,
    {
      path: "guards.error_percent",
      label: "Rows with errors, more than",
      help: errorWords(settings.guards.error_percent),
    },
    (control) => h(NumberBox, { ...control, path: "guards.error_percent", unit: "%" }),
  );
}

function KnownRate() {
  const { settings } = useForm();
  return h(
    Setting,
    {
      path: "guards.known_percent",
      label: "Known records in the files, at least",
      help: knownWords(settings.guards.known_percent),
    },
    (control) => h(NumberBox, { ...control, path: "guards.known_percent", unit: "%" }),
  );
}

function ApprovalHours() {
  const { settings } = useForm();
  return h(
    Setting,
    {
      path: "approval_hours",
      label: "How long a plan waits for a decision",
      help: waitWords(settings.approval_hours),
    },
    (control) => h(NumberBox, { ...control, path: "approval_hours", unit: "hours" }),
  );
}

function StaleProtection() {
  return h(
    Setting,
    {
      path: "stale_protection_runs",
      label: "Protected by a broken row: stale after",
      help: "A row that can't be used leaves its record as it is. After so many syncs with the whole file the record is listed as stale, and people are told. An administrator may then release it; nothing is released by itself.",
    },
    (control) => h(NumberBox, { ...control, path: "stale_protection_runs", unit: "syncs" }),
  );
}

function waitWords(hours) {
  const days = Number.isInteger(hours) && hours >= 48 && hours % 24 === 0 ? ` That is ${hours / 24} days.` : "";
  return `A plan that nobody decided about by then is discarded, and changes nothing.${days}`;
}
