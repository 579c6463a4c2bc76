/** The limits that rarely need another number, behind a button. */

import { Disclosure } from "../../lib/disclosure.js";
import { h } from "../../lib/ui.js";
import { LimitRow } from "./limit_row.js";
import { UNCLEAR, heldFrom } from "./limit_words.js";
import { useForm } from "./parts.js";
import { isWithin } from "./use_form.js";

const { Grid } = globalThis.ChakraUI;
const { useState } = globalThis.React;

const LIMITS = [
  {
    kind: "school",
    label: "Gone from one school in one sync",
    noun: "users, courses or assignments",
    sizes: [10, 100],
    meaning: (from) =>
      `A school that is missing from an export is few records of a large district. Waits when so many of one school would go: ${from}.`,
  },
  {
    kind: "week",
    label: "Gone within seven days",
    noun: "users, courses or assignments",
    sizes: [100, 2000],
    meaning: (from) =>
      `Nine per cent a night is within the limits and takes half a school in a week. Counts what went without a person's approval. Waits when so many would be gone: ${from}.`,
  },
  {
    kind: "added_users",
    label: "Users added in one sync or within seven days",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from) =>
      `Another district's export adds its people. Not for the first sync. Waits when so many would be added: ${from}.`,
  },
  {
    kind: "reactivated_users",
    label: "Users reactivated in one sync or within seven days",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from) =>
      `Who was merely absent in the last 30 days is not counted, so that a mended export heals by itself. Waits when so many would come back: ${from}.`,
  },
  {
    kind: "changed_roles",
    label: "Users with another role in one sync",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from) => `A role that is mapped wrongly changes many at once. Waits when so many would change: ${from}.`,
  },
  {
    kind: "moved_terms",
    label: "Course assignments in terms that end earlier",
    noun: "assignments",
    sizes: [100, 5000],
    meaning: (from) =>
      `What hangs from a term that is over ends without being counted. Waits when the end of terms moves more than 14 days earlier, with so many in them: ${from}.`,
  },
  {
    kind: "updated_users",
    label: "Users updated in one sync",
    noun: "users",
    sizes: [40, 2000],
    meaning: (from) => `A column that moved updates everybody at once. Waits when so many would be updated: ${from}.`,
  },
  {
    kind: "updated_courses",
    label: "Courses updated in one sync",
    noun: "courses",
    sizes: [40, 1000],
    meaning: (from) => `Waits when so many would be updated: ${from}.`,
  },
  {
    kind: "sourced_ids",
    label: "Records with a new sourcedId in one sync",
    noun: "users or courses",
    sizes: [40, 2000],
    meaning: (from) =>
      `Who comes with the same login under another sourcedId stays the same person, and a course with the same code and title the same course. Waits when there are so many: ${from}.`,
  },
];

/** The limits for schools, for a week, for what comes and changes, and for sourcedIds; open while one of them can't be used. */
export function MoreLimits() {
  const { settings, errors } = useForm();
  const [isOpen, setIsOpen] = useState(false);
  const isWrong = errors.some(({ field }) => LIMITS.some(({ kind }) => isWithin(field, `guards.${kind}`)));
  if (isWrong && !isOpen) {
    setIsOpen(true);
  }
  return h(
    Disclosure,
    { label: "More limits: schools, a week, additions, updates, sourcedIds", isOpen, onToggle: setIsOpen },
    h(
      Grid,
      { gap: "6", templateColumns: "minmax(0, 1fr)" },
      LIMITS.map(({ kind, label, noun, sizes, meaning }) => {
        const from = heldFrom(settings.guards[kind], noun, sizes);
        return h(LimitRow, { key: kind, kind, label, help: from ? meaning(from) : UNCLEAR });
      }),
    ),
  );
}
