/** The table of recent synchronizations. */

import { Box, Link as Anchor, Spinner, Table, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import type { RunSummary } from "../../lib/openapi";
import { HOME, type May, Outcome, Time } from "../../lib/ui";
import { number, utc } from "../../lib/words";
import { MANY } from "./attention";

const GROUPS = [
  {
    kind: "users",
    label: "Users",
    columns: [
      ["added", "Added"],
      ["deactivated", "Deactivated"],
      ["errors", "Errors"],
    ],
  },
  {
    kind: "courses",
    label: "Courses",
    columns: [
      ["added", "Added"],
      ["removed", "Removed"],
      ["errors", "Errors"],
    ],
  },
  {
    kind: "assignments",
    label: "Course assignments",
    columns: [
      ["added", "Added"],
      ["removed", "Removed"],
      ["errors", "Errors"],
    ],
  },
];

const COUNTED = new Set(["succeeded", "succeeded_with_errors", "no_changes"]);

/**
 * List runs, the newest first.
 *
 * @param props.may What the viewer may do.
 */
export function RunTable({ runs, may }: { runs: RunSummary[]; may: May }) {
  return (
    <Box overflowX="auto" borderWidth="1px" borderColor="border.emphasized" borderRadius="8px">
      <Table.Root size="sm" striped interactive minWidth="64rem">
        <Table.Caption srOnly>Runs of this site, the newest first</Table.Caption>
        <Header may={may} />
        <Table.Body>
          {runs.map((run) => (
            <RunRow key={run.run_id} run={run} may={may} />
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  );
}

function Header({ may }: { may: May }) {
  const plain = [
    ["Date and time (UTC)", "left"],
    ["Type", "left"],
    ["Outcome", "left"],
  ];
  return (
    <Table.Header>
      <Table.Row>
        {plain.map(([label]) => (
          <Table.ColumnHeader key={label} scope="col" rowSpan={2} verticalAlign="bottom">
            {label}
          </Table.ColumnHeader>
        ))}
        {GROUPS.map(({ kind, label }) => (
          <Table.ColumnHeader
            key={kind}
            scope="colgroup"
            colSpan={3}
            textAlign="center"
            borderInlineStartWidth="1px"
            borderBottomWidth="0"
            pb="0"
          >
            {label}
          </Table.ColumnHeader>
        ))}
        {may.details && (
          <Table.ColumnHeader
            scope="col"
            rowSpan={2}
            verticalAlign="bottom"
            borderInlineStartWidth="1px"
          >
            Full log file
          </Table.ColumnHeader>
        )}
      </Table.Row>
      <Table.Row>
        {GROUPS.flatMap(({ kind, columns }) =>
          columns.map(([name, label], index) => (
            <Table.ColumnHeader
              key={`${kind} ${name}`}
              scope="col"
              textAlign="end"
              fontWeight="normal"
              color="fg.muted"
              borderInlineStartWidth={index === 0 ? "1px" : "0"}
            >
              {label}
            </Table.ColumnHeader>
          )),
        )}
      </Table.Row>
    </Table.Header>
  );
}

function RunRow({ run, may }: { run: RunSummary; may: May }) {
  const at = `${HOME}/runs/${run.run_id}`;
  const done = COUNTED.has(run.outcome ?? "");
  return (
    <Table.Row>
      <Table.Cell whiteSpace="nowrap">
        <Anchor asChild color="fg.info">
          <Link to={at}>
            <Time at={run.started_at} bare />
          </Link>
        </Anchor>
      </Table.Cell>
      <Table.Cell minWidth="12rem">{run.type}</Table.Cell>
      <Table.Cell>
        <Ending run={run} />
      </Table.Cell>
      {GROUPS.flatMap(({ kind, columns }) =>
        columns.map(([name], index) => (
          <Count
            key={`${kind} ${name}`}
            value={run.counts?.[kind]?.[name]}
            isError={name === "errors"}
            applied={done || name === "errors"}
            first={index === 0}
          />
        )),
      )}
      {may.details && (
        <Table.Cell borderInlineStartWidth="1px">
          {run.trigger === "command" ? (
            <Text color="fg.muted">–</Text>
          ) : (
            <Anchor asChild color="fg.info">
              <Link
                to={`${at}?tab=log`}
                aria-label={`Full log of the run of ${utc(run.started_at)}`}
              >
                Log
              </Link>
            </Anchor>
          )}
        </Table.Cell>
      )}
    </Table.Row>
  );
}

function Ending({ run }: { run: RunSummary }) {
  return (
    <Box title={run.sentence}>
      {run.outcome === null ? (
        <Box display="inline-flex" alignItems="center" gap="2">
          <Outcome outcome={null} />
          <Spinner size="xs" />
          <Text as="span" color="fg.muted" fontSize="xs">{`${run.stage} is done`}</Text>
        </Box>
      ) : (
        <Outcome outcome={run.outcome} />
      )}
    </Box>
  );
}

/** A number; what was planned and not applied is told apart from what was done. */
function Count({
  value,
  isError,
  applied,
  first,
}: {
  value: number | undefined;
  isError: boolean;
  applied: boolean;
  first: boolean;
}) {
  const known = value !== undefined && value !== null;
  const many = isError && value !== undefined && value >= MANY;
  return (
    <Table.Cell
      textAlign="end"
      fontVariantNumeric="tabular-nums"
      borderInlineStartWidth={first ? "1px" : "0"}
      color={isError && value ? "fg.error" : value && applied ? "fg" : "fg.muted"}
      fontWeight={value && applied ? "semibold" : "normal"}
      title={
        many
          ? "Many errors usually mean a changed format or changed ids: read the log before the next run"
          : known && value && !applied
            ? "Planned, not applied"
            : undefined
      }
    >
      {known ? (applied || !value ? number(value) : `(${number(value)})`) : "–"}
    </Table.Cell>
  );
}
