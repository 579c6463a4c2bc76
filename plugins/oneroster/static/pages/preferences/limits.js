/** Limits: what a sync may not do without a person's word. */

import { h } from "../../lib/ui.js";
import { number } from "../../lib/words.js";
import { NumberBox, Section, Setting, useForm } from "./parts.js";

const { Box, Flex, Text } = globalThis.ChakraUI;

const FEW = 5;
const EXAMPLE = 200;
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
      hint: "A sync beyond a limit changes nothing. It waits until a person has looked at it and approves or discards it.",
    },
    KINDS.map((kind) => h(Removals, { key: kind.kind, ...kind })),
    h(ErrorRate),
    h(KnownRate),
  );
}

function Removals({ kind, label, noun, verb, sizes }) {
  const { settings } = useForm();
  const path = `guards.${kind}`;
  return h(
    Setting,
    {
      path,
      label: `${label} ${verb} in one sync`,
      group: true,
      help: removalWords(settings.guards[kind], noun, verb, sizes),
    },
    () =>
      h(
        Flex,
        { gap: "2", align: "flex-end", wrap: "wrap" },
        h(Part, { path: `${path}.percent`, label: "Percent", unit: "%" }),
        h(Text, { as: "span", color: "fg.muted", pb: "1.5", fontSize: "sm" }, "and"),
        h(Part, { path: `${path}.minimum`, label: "At least" }),
        h(
          Flex,
          { gap: "2", align: "flex-end" },
          h(Text, { as: "span", color: "fg.muted", pb: "1.5", fontSize: "sm" }, "or"),
          h(Part, { path: `${path}.cap`, label: "More than", placeholder: "no cap" }),
        ),
      ),
  );
}

function Part({ path, label, unit, placeholder }) {
  const { errors } = useForm();
  const isWrong = errors.some(({ field }) => field === path);
  return h(
    Box,
    { as: "label", display: "block", "data-setting": path },
    h(Text, { as: "span", display: "block", fontSize: "xs", color: "fg.muted" }, label),
    h(NumberBox, { path, unit, placeholder, "aria-invalid": isWrong || undefined }),
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

function errorWords(percent) {
  if (!isPercent(percent)) {
    return "A percentage of one file's rows of staff.";
  }
  const from = Math.max(FEW, Math.floor(share(percent, EXAMPLE)) + 1);
  const many = from > EXAMPLE ? "no number of rows makes" : `${number(from)} or more with errors make`;
  return `Of one file's rows of staff. For example: of ${EXAMPLE} rows, ${many} the sync wait. Fewer than ${FEW} never do.`;
}

function knownWords(percent) {
  if (!isPercent(percent)) {
    return "A percentage of the users, and of the courses, that earlier syncs brought.";
  }
  const below = Math.ceil(share(percent, EXAMPLE));
  const why = "Guards against the export of another school, or of a school year with new ids.";
  return below > 0
    ? `${why} For example: with ${EXAMPLE} users from earlier syncs, a file that holds fewer than ${number(below)} of them waits.`
    : `${why} At 0 % it holds nothing.`;
}

/** Say what a limit means for a small and for a large site. */
function removalWords(guard, noun, verb, sizes) {
  if (!isPercent(guard.percent) || !Number.isInteger(guard.minimum)) {
    return "Both the percentage and the number must be reached; above the last number a sync always waits.";
  }
  const parts = sizes.map((of) => {
    const from = firstHeld(guard, of);
    return `of ${number(of)} ${noun}, ${from > of ? "never" : `${number(from)} or more`}`;
  });
  return `Waits when so many would be ${verb}: ${parts.join("; ")}.`;
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
