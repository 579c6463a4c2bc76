/**
 * One cause: what is wrong, where, how often, what to do; and its rows when opened. What only follows
 * from another cause says so, and stands behind it.
 */

import { Failure, Loading, h } from "../../lib/ui.js";
import { Place } from "./fields.js";
import { usePages } from "./paging.js";
import { Rows } from "./rows.js";
import { More } from "./toolbar.js";

const { Badge, Box, Button, Code, Flex, Text } = globalThis.ChakraUI;
const { useId, useState } = globalThis.React;

/**
 * Show one cause as a card.
 *
 * @param {object} props
 * @param {object} props.cause
 * @param {number} props.most The rows of the cause that affects the most, for the bar.
 * @param {string} props.runId
 * @param {boolean} props.opens Whether its rows may be seen.
 */
export function Cause({ cause, most, runId, opens }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const isError = cause.severity === "error";
  const isOfRows = cause.first_row !== null || cause.target_file !== null;
  const count = isOfRows ? cause.affected : cause.findings;
  const follows = cause.follows !== null;
  const isOfPlan = cause.code.startsWith("guard.");
  const hasRows = !isOfPlan && (isOfRows || cause.findings > 1);
  return h(
    Box,
    {
      as: "li",
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "md",
      borderInlineStartWidth: "4px",
      borderInlineStartColor: isError ? "error.solid" : "warning.solid",
      ms: follows ? { base: "3", md: "8" } : "0",
      p: "3",
    },
    h(
      Flex,
      { gap: "3", justify: "space-between", wrap: { base: "wrap", md: "nowrap" } },
      h(
        Box,
        { minWidth: 0, flex: "1 1 20rem" },
        h(
          Flex,
          { gap: "2", align: "center", wrap: "wrap", mb: "1" },
          h(Text, { as: "span", color: "fg.muted", fontWeight: "semibold" }, `${cause.number}.`),
          h(Severity, { severity: cause.severity }),
          h(Code, { size: "sm", variant: "surface" }, cause.code),
        ),
        h(Text, { as: "h2", fontWeight: "semibold", id: `${id}-title` }, titleOf(cause)),
        follows &&
          h(
            Text,
            { fontSize: "sm", mt: "1", fontWeight: "semibold" },
            `Follows from cause ${cause.follows}: mend that first.`,
          ),
        h(
          Text,
          { fontSize: "sm", mt: "1" },
          h(Text, { as: "span", color: "fg.muted" }, "What to do: "),
          cause.hint,
        ),
        h(Where, { cause }),
      ),
      isOfPlan
        ? h(Text, { flex: "none", color: "fg.muted", fontSize: "sm" }, "the whole plan")
        : h(Share, { count, most, isError, isOfRows, own: cause.rows }),
    ),
    opens &&
      hasRows &&
      h(
        Button,
        {
          size: "xs",
          variant: "ghost",
          mt: "1",
          mb: "-1",
          ml: "-2",
          "aria-expanded": isOpen,
          "aria-controls": `${id}-rows`,
          "aria-describedby": `${id}-title`,
          onClick: () => setIsOpen(!isOpen),
        },
        h(Box, { as: "span", "aria-hidden": true }, isOpen ? "▾" : "▸"),
        isOpen ? "Hide rows" : "Show rows",
      ),
    h(Box, { id: `${id}-rows`, hidden: !isOpen, mt: "2" }, isOpen && h(RowsOf, { cause, runId })),
  );
}

/**
 * Say how grave a finding is, in words and colour.
 *
 * @param {object} props
 * @param {string} props.severity
 */
export function Severity({ severity }) {
  const isError = severity === "error";
  return h(
    Badge,
    { colorPalette: isError ? "error" : "warning", variant: "subtle" },
    isError ? "Error" : "Warning",
  );
}

/** What is wrong, and with which record where one is missing. */
function titleOf({ meaning, target, target_file: file }) {
  return target ? `${meaning.replace(/\.$/, "")}: ${target} of ${file}.` : meaning;
}

function Where({ cause: { file, column, expected, first_row: first } }) {
  const parts = [
    ["File", file],
    ["Column", column],
    ["Expected", expected],
    ["First row", first?.toLocaleString("en")],
  ].filter(([, value]) => value);
  return h(
    Flex,
    { as: "dl", wrap: "wrap", columnGap: "5", rowGap: "1", mt: "2", fontSize: "sm" },
    parts.map(([label, value]) =>
      h(
        Flex,
        { key: label, gap: "2", minWidth: 0 },
        h(Box, { as: "dt", color: "fg.muted", flex: "none" }, label),
        h(Box, { as: "dd", m: "0", overflowWrap: "anywhere" }, value),
      ),
    ),
  );
}

function Share({ count, most, isError, isOfRows, own }) {
  const width = `${Math.max(2, (100 * count) / most)}%`;
  const noun = isOfRows ? "row" : "finding";
  return h(
    Box,
    { flex: "none", width: { base: "100%", md: "11rem" } },
    h(
      Text,
      { textAlign: { base: "start", md: "end" }, fontWeight: "semibold" },
      `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`,
    ),
    h(
      Box,
      { "aria-hidden": true, bg: "bg.emphasized", borderRadius: "full", height: "1.5", mt: "1" },
      h(Box, {
        bg: isError ? "error.solid" : "warning.solid",
        borderRadius: "full",
        height: "100%",
        width,
      }),
    ),
    isOfRows &&
      count > own &&
      h(
        Text,
        { color: "fg.muted", fontSize: "xs", textAlign: { base: "start", md: "end" }, mt: "1" },
        `${own.toLocaleString("en")} here, ${(count - own).toLocaleString("en")} because of it`,
      ),
  );
}

function RowsOf({ cause, runId }) {
  const params = { cause: cause.number, limit: 50 };
  const list = usePages(`runs/${runId}/findings`, params, "findings");
  if (list.rows === null) {
    return list.problem
      ? h(Failure, { problem: list.problem, retry: list.reload })
      : h(Loading, { height: "8rem" });
  }
  return h(
    Box,
    null,
    h(FindingRows, { list, caption: `Rows: ${cause.meaning}` }),
    h(More, { list, what: "findings", total: cause.findings }),
  );
}

/**
 * List findings row by row.
 *
 * @param {object} props
 * @param {object} props.list As `usePages` gives it.
 * @param {string} props.caption
 * @param {boolean} [props.withCause] Whether each row says what is wrong with it.
 */
export function FindingRows({ list, caption, withCause = false }) {
  const columns = [
    { key: "place", label: "Where", width: "14rem", cell: (row) => h(PlaceOf, { row }) },
    {
      key: "sourced_id",
      label: "sourcedId",
      width: "26%",
      cell: (row) => h(WhoseOf, { row }),
    },
    { key: "column", label: "Column", cell: ({ column }) => column ?? "–" },
  ];
  if (withCause) {
    columns.push({ key: "cause", label: "What is wrong", cell: (row) => h(Wrong, { row }) });
  }
  return h(Rows, { caption, columns, rows: list.rows, rowKey: ({ seq }) => seq, busy: list.loading });
}

/** The sourcedId of a row; with both names where another person came under it. */
function WhoseOf({ row: { sourced_id: id, people } }) {
  if (!id) {
    return "–";
  }
  return h(
    Box,
    null,
    h(Code, { size: "sm", variant: "plain", px: "0" }, id),
    people &&
      h(
        Box,
        { as: "dl", fontSize: "sm", m: "0", mt: "1" },
        [
          ["Has it", people.known],
          ["Comes under it", people.coming],
        ].map(([label, name]) =>
          h(
            Flex,
            { key: label, gap: "2" },
            h(Box, { as: "dt", color: "fg.muted", flex: "none" }, label),
            h(Box, { as: "dd", m: "0", overflowWrap: "anywhere" }, name),
          ),
        ),
      ),
  );
}

function PlaceOf({ row: { file, row, rows } }) {
  const others = rows > 1 ? ` and ${(rows - 1).toLocaleString("en")} more` : "";
  return h(Text, { as: "span" }, h(Place, { file, row }), others);
}

function Wrong({ row: { severity, meaning, hint, expected } }) {
  return h(
    Box,
    null,
    h(Flex, { gap: "2", align: "center", wrap: "wrap" }, h(Severity, { severity }), meaning),
    expected && h(Text, { color: "fg.muted", fontSize: "sm" }, `Expected: ${expected}`),
    h(Text, { color: "fg.muted", fontSize: "sm" }, hint),
  );
}
