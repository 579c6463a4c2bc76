/** The table of recent synchronizations. */

import { HOME, Outcome, Time, h } from "../../lib/ui.js";
import { number, utc } from "../../lib/words.js";
import { MANY } from "./attention.js";

const { Box, Link: Anchor, Spinner, Table, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

const GROUPS = [
  { kind: "users", label: "Users", columns: [["added", "Added"], ["deactivated", "Deactivated"], ["errors", "Errors"]] },
  { kind: "courses", label: "Courses", columns: [["added", "Added"], ["removed", "Removed"], ["errors", "Errors"]] },
  {
    kind: "assignments",
    label: "Course assignments",
    columns: [["added", "Added"], ["removed", "Removed"], ["errors", "Errors"]],
  },
];
const COUNTED = new Set(["succeeded", "succeeded_with_errors", "no_changes"]);

/**
 * List runs, the newest first.
 *
 * @param {object} props
 * @param {object[]} props.runs
 * @param {object} props.may What the viewer may do.
 */
export function RunTable({ runs, may }) {
  return h(
    Box,
    { overflowX: "auto", borderWidth: "1px", borderColor: "border.emphasized", borderRadius: "8px" },
    h(
      Table.Root,
      { size: "sm", striped: true, interactive: true, minWidth: "64rem" },
      h(Table.Caption, { srOnly: true }, "Runs of this site, the newest first"),
      h(Header, { may }),
      h(Table.Body, null, runs.map((run) => h(RunRow, { key: run.run_id, run, may }))),
    ),
  );
}

function Header({ may }) {
  const plain = [
    ["Date and time (UTC)", "left"],
    ["Type", "left"],
    ["Outcome", "left"],
  ];
  return h(
    Table.Header,
    null,
    h(
      Table.Row,
      null,
      plain.map(([label]) =>
        h(Table.ColumnHeader, { key: label, scope: "col", rowSpan: 2, verticalAlign: "bottom" }, label),
      ),
      GROUPS.map(({ kind, label }) =>
        h(
          Table.ColumnHeader,
          { key: kind, scope: "colgroup", colSpan: 3, textAlign: "center", borderInlineStartWidth: "1px", borderBottomWidth: "0", pb: "0" },
          label,
        ),
      ),
      may.details &&
        h(
          Table.ColumnHeader,
          { scope: "col", rowSpan: 2, verticalAlign: "bottom", borderInlineStartWidth: "1px" },
          "Full log file",
        ),
    ),
    h(
      Table.Row,
      null,
      GROUPS.flatMap(({ kind, columns }) =>
        columns.map(([name, label], index) =>
          h(
            Table.ColumnHeader,
            {
              key: `${kind} ${name}`,
              scope: "col",
              textAlign: "end",
              fontWeight: "normal",
              color: "fg.muted",
              borderInlineStartWidth: index === 0 ? "1px" : "0",
            },
            label,
          ),
        ),
      ),
    ),
  );
}

function RunRow({ run, may }) {
  const at = `${HOME}/runs/${run.run_id}`;
  const done = COUNTED.has(run.outcome);
  return h(
    Table.Row,
    null,
    h(
      Table.Cell,
      { whiteSpace: "nowrap" },
      h(Anchor, { asChild: true, color: "fg.info" }, h(Link, { to: at }, h(Time, { at: run.started_at, bare: true }))),
    ),
    h(Table.Cell, { minWidth: "12rem" }, run.type),
    h(Table.Cell, null, h(Ending, { run })),
    GROUPS.flatMap(({ kind, columns }) =>
      columns.map(([name], index) =>
        h(Count, {
          key: `${kind} ${name}`,
          value: run.counts?.[kind]?.[name],
          isError: name === "errors",
          applied: done || name === "errors",
          first: index === 0,
        }),
      ),
    ),
    may.details &&
      h(
        Table.Cell,
        { borderInlineStartWidth: "1px" },
        run.trigger === "command"
          ? h(Text, { color: "fg.muted" }, "–")
          : h(
              Anchor,
              { asChild: true, color: "fg.info" },
              h(Link, { to: `${at}?tab=log`, "aria-label": `Full log of the run of ${utc(run.started_at)}` }, "Log"),
            ),
      ),
  );
}

function Ending({ run }) {
  return h(
    Box,
    { title: run.sentence },
    run.outcome === null
      ? h(
          Box,
          { display: "inline-flex", alignItems: "center", gap: "2" },
          h(Outcome, { outcome: null }),
          h(Spinner, { size: "xs" }),
          h(Text, { as: "span", color: "fg.muted", fontSize: "xs" }, `${run.stage} is done`),
        )
      : h(Outcome, { outcome: run.outcome }),
  );
}

/** A number; what was planned and not applied is told apart from what was done. */
function Count({ value, isError, applied, first }) {
  const known = value !== undefined && value !== null;
  const many = isError && value >= MANY;
  return h(
    Table.Cell,
    {
      textAlign: "end",
      fontVariantNumeric: "tabular-nums",
      borderInlineStartWidth: first ? "1px" : "0",
      color: isError && value ? "fg.error" : value && applied ? "fg" : "fg.muted",
      fontWeight: value && applied ? "semibold" : "normal",
      title: many
        ? "Many errors usually mean a changed format or changed ids: read the log before the next run"
        : known && value && !applied
          ? "Planned, not applied"
          : undefined,
    },
    known ? (applied || !value ? number(value) : `(${number(value)})`) : "–",
  );
}
