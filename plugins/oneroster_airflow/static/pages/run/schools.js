/** What a plan comes to in each school. */

import { h } from "../../lib/ui.js";
import { counted, number } from "../../lib/words.js";
import { Rows } from "./rows.js";

const { Box, Button, Heading, Text } = globalThis.ChakraUI;
const { useState } = globalThis.React;

const SHOWN = 5;
const KINDS = [
  ["users", "Users"],
  ["courses", "Courses"],
  ["assignments", "Course assignments"],
];
const SORTS = [
  ["ended", "ended with their terms"],
  ["added", "added"],
  ["changed", "changed"],
];

/**
 * List the schools of a plan, the one that loses most first; nothing when it is about none.
 *
 * @param {object} props
 * @param {object[]} props.schools
 */
export function Schools({ schools }) {
  const [isWhole, setIsWhole] = useState(false);
  if (schools.length === 0) {
    return null;
  }
  const more = schools.length - SHOWN;
  return h(
    Box,
    { as: "section", "aria-labelledby": "schools", mt: "4" },
    h(Heading, { as: "h3", size: "sm", id: "schools", mb: "2" }, "By school"),
    h(Rows, {
      caption: "What the plan comes to in each school",
      rows: isWhole ? schools : schools.slice(0, SHOWN),
      rowKey: ({ school }) => school,
      columns: [
        { key: "school", label: "School", cell: ({ name }) => name },
        ...KINDS.map(([kind, label]) => ({
          key: kind,
          label,
          width: "23%",
          cell: (school) => h(Numbers, { numbers: school[kind] }),
        })),
      ],
    }),
    more > 0 &&
      h(
        Button,
        {
          size: "xs",
          variant: "ghost",
          mt: "1",
          "aria-expanded": isWhole,
          onClick: () => setIsWhole(!isWhole),
        },
        h(Box, { as: "span", "aria-hidden": true }, isWhole ? "▾" : "▸"),
        isWhole ? `Show the first ${SHOWN} only` : `Show ${counted(more, "more school")}`,
      ),
  );
}

function Numbers({ numbers }) {
  const others = SORTS.filter(([sort]) => numbers[sort]).map(([sort, words]) => `${number(numbers[sort])} ${words}`);
  if (numbers.gone === 0 && others.length === 0) {
    return h(Text, { color: "fg.muted" }, "–");
  }
  return h(
    Box,
    null,
    numbers.gone > 0 &&
      h(Text, { fontWeight: "semibold" }, `${number(numbers.gone)} of ${number(numbers.active)} gone`),
    others.length > 0 && h(Text, { color: "fg.muted", fontSize: "sm" }, others.join(", ")),
  );
}
