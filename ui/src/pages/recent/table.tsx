/** The table of recent synchronizations. */

import { Box, Link as Anchor, Spinner, Table, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import { inSelected } from "../../lib/time";
import type { RunSummary, Totals } from "../../lib/openapi";
import { HOME, type May, Outcome, Time } from "../../lib/ui";
import { capital, number } from "../../lib/words";
import { PLURALS } from "../../words/records";
import { MANY } from "./attention";

type Column = [keyof Totals, string];

const GROUPS: { kind: string; label: string; columns: Column[] }[] = [
  {
    kind: "users",
    label: capital(PLURALS.users),
    columns: [
      ["added", "Added"],
      ["updated", "Updated"],
      ["removed", "Deactivated"],
      ["errors", "Errors"],
    ],
  },
  {
    kind: "courses",
    label: capital(PLURALS.courses),
    columns: [
      ["added", "Added"],
      ["updated", "Updated"],
      ["removed", "Removed"],
      ["errors", "Errors"],
    ],
  },
  {
    kind: "assignments",
    label: capital(PLURALS.assignments),
    columns: [
      ["added", "Added"],
      ["removed", "Removed"],
      ["errors", "Errors"],
    ],
  },
];

/** Of users whoever came back, was linked or got another sourcedId is among those updated. */
const UPDATED = "Updated, reactivated, adopted, or given another sourcedId";

const STACKED = "@media (max-width: 767px)";

/** Where there is no room for columns, a run is a card, which leaves out what is nothing. */
const LAYOUT = {
  "& td, & th": { paddingInline: "1.5" },
  [STACKED]: {
    "& table": { minWidth: "0" },
    "& table, & tbody, & tr": { display: "block", width: "100%" },
    "& thead": { position: "absolute", height: "1px", overflow: "hidden", clipPath: "inset(50%)" },
    "& tr": { borderBottomWidth: "1px", borderColor: "border", padding: "2" },
    "& td": {
      display: "block",
      border: "0",
      padding: "1",
      textAlign: "start",
      minWidth: "0",
      background: "transparent",
    },
    "& td[data-label]": { display: "inline-block", paddingInlineEnd: "3" },
    "& td[data-label]::before": {
      content: "attr(data-label) ' '",
      color: "fg.muted",
      fontWeight: "normal",
      fontSize: "xs",
    },
    "& td[data-nothing], & td[data-label][data-nothing]": { display: "none" },
  },
};

/**
 * List runs, the newest first.
 *
 * @param props.may What the viewer may do.
 */
export function RunTable({ runs, may }: { runs: RunSummary[]; may: May }) {
  return (
    <Box
      position="relative"
      overflowX="auto"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="8px"
      css={LAYOUT}
    >
      <Table.Root size="sm" striped interactive minWidth="68rem">
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
    ["Date and time", "left"],
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
        {GROUPS.map(({ kind, label, columns }) => (
          <Table.ColumnHeader
            key={kind}
            scope="colgroup"
            colSpan={columns.length}
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
              title={name === "updated" ? UPDATED : undefined}
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
  return (
    <Table.Row>
      <Table.Cell whiteSpace="nowrap">
        <Anchor asChild color="fg.info">
          <Link to={at}>
            <Time at={run.started_at} bare />
          </Link>
        </Anchor>
      </Table.Cell>
      <Table.Cell minWidth="11rem">
        {run.type}
        {run.uploaded_as && (
          <Text color="fg.muted" fontSize="xs" overflowWrap="anywhere">
            {run.uploaded_as}
          </Text>
        )}
      </Table.Cell>
      <Table.Cell>
        <Ending run={run} />
      </Table.Cell>
      {GROUPS.flatMap(({ kind, label, columns }) =>
        columns.map(([name, what], index) => (
          <Count
            key={`${kind} ${name}`}
            label={`${label} ${what.toLowerCase()}`}
            value={run.totals?.[kind]?.[name]}
            isError={name === "errors"}
            applied={run.is_applied || name === "errors"}
            first={index === 0}
          />
        )),
      )}
      {may.details && (
        <Table.Cell
          borderInlineStartWidth="1px"
          data-nothing={run.trigger === "command" ? "true" : undefined}
        >
          {run.trigger === "command" ? (
            <Text color="fg.muted">–</Text>
          ) : (
            <Anchor asChild color="fg.info">
              <Link
                to={`${at}?tab=log`}
                aria-label={`Full log of the run of ${inSelected(run.started_at, { seconds: true })}`}
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
        <Outcome outcome={run.outcome} isPreview={run.is_preview} />
      )}
    </Box>
  );
}

/** Red that can be read on every row of the table. */
const BAD = { base: "red.700", _dark: "red.300" };

/** A number; what was planned and not applied looks different from what was done. */
function Count({
  label,
  value,
  isError,
  applied,
  first,
}: {
  label: string;
  value: number | undefined;
  isError: boolean;
  applied: boolean;
  first: boolean;
}) {
  const known = value !== undefined;
  const many = isError && value !== undefined && value >= MANY;
  return (
    <Table.Cell
      textAlign="end"
      fontVariantNumeric="tabular-nums"
      borderInlineStartWidth={first ? "1px" : "0"}
      data-label={label}
      data-nothing={value ? undefined : "true"}
      color={isError && value ? BAD : value && applied ? "fg" : "fg.muted"}
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
