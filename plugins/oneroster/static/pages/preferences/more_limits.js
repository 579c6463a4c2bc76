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

/** The limits for schools, for updates and for sourcedIds; open while one of them can't be used. */
export function MoreLimits() {
  const { settings, errors } = useForm();
  const [isOpen, setIsOpen] = useState(false);
  const isWrong = errors.some(({ field }) => LIMITS.some(({ kind }) => isWithin(field, `guards.${kind}`)));
  if (isWrong && !isOpen) {
    setIsOpen(true);
  }
  return h(
    Disclosure,
    { label: "More limits: schools, updates, sourcedIds", isOpen, onToggle: setIsOpen },
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
