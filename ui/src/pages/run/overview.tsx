/** The tab Overview: what a run came to in numbers, and its facts. */

import {
  Box,
  Clipboard,
  Code,
  Flex,
  Grid,
  Heading,
  IconButton,
  Table,
  Text,
} from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link } from "react-router-dom";
import type { DagRun, Decision, RunDetail } from "../../lib/openapi";
import { Empty, HOME, Time } from "../../lib/ui";
import { MAPPINGS } from "../upload/kinds";
import { COUNTS, KINDS } from "../../words/records";
import { EMPTY } from "../../words/empty";

/** Show the numbers and the facts of a run. */
export function Overview({ run }: { run: RunDetail }) {
  return (
    <Grid templateColumns={{ base: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" }} gap="6">
      {(run.counts || run.outcome === null) && (
        <Box as="section" aria-labelledby="numbers">
          <Heading as="h2" size="sm" id="numbers" mb="2">
            {headingOf(run)}
          </Heading>
          {run.counts ? <Counts counts={run.counts} /> : <NotCounted />}
        </Box>
      )}
      <Box as="section" aria-labelledby="facts">
        <Heading as="h2" size="sm" id="facts" mb="2">
          Facts
        </Heading>
        <Facts run={run} />
      </Box>
    </Grid>
  );
}

function headingOf(run: RunDetail) {
  if (run.applied_at || run.outcome === "no_changes" || !run.counts) {
    return "What changed";
  }
  return "What would change";
}

function NotCounted() {
  return <Empty {...EMPTY.counts} />;
}

/**
 * The numbers of a run as a table.
 *
 * @param props.isShort Whether rows of nothing but zeros are left out.
 */
export function Counts({
  counts,
  isShort = false,
}: {
  counts: Record<string, Record<string, number>>;
  isShort?: boolean;
}) {
  const rows = COUNTS.filter(([, keys]) =>
    KINDS.some(([kind]) =>
      isShort ? count(counts[kind], keys) : count(counts[kind], keys) !== null,
    ),
  );
  return (
    <Table.Root size="sm" bg="transparent">
      <Table.Caption srOnly>How many users, courses and course assignments</Table.Caption>
      <Table.Header>
        <Table.Row bg="transparent">
          <Table.ColumnHeader scope="col">
            <Text as="span" srOnly>
              Change
            </Text>
          </Table.ColumnHeader>
          {KINDS.map(([kind, label]) => (
            <Table.ColumnHeader key={kind} scope="col" textAlign="end">
              {label}
            </Table.ColumnHeader>
          ))}
        </Table.Row>
      </Table.Header>
      <Table.Body>
        {rows.map(([label, keys]) => (
          <Table.Row key={label} bg="transparent">
            <Table.Cell as="th" scope="row" fontWeight="normal" textAlign="start">
              {label}
            </Table.Cell>
            {KINDS.map(([kind]) => (
              <Count key={kind} value={count(counts[kind], keys)} keys={keys} />
            ))}
          </Table.Row>
        ))}
      </Table.Body>
    </Table.Root>
  );
}

function count(numbers: Record<string, number> | undefined, keys: string[]) {
  const known = keys.filter((key) => numbers?.[key] !== undefined);
  return known.length === 0 ? null : known.reduce((sum, key) => sum + (numbers?.[key] ?? 0), 0);
}

function Count({ value, keys }: { value: number | null; keys: string[] }) {
  const isBad = keys.includes("errors") && value !== null && value > 0;
  return (
    <Table.Cell
      textAlign="end"
      fontVariantNumeric="tabular-nums"
      color={isBad ? "error.fg" : value ? "fg" : "fg.muted"}
      fontWeight={value ? "semibold" : "normal"}
    >
      {value === null ? <span aria-label="does not apply">–</span> : value.toLocaleString("en")}
    </Table.Cell>
  );
}

function Facts({ run }: { run: RunDetail }) {
  const facts = [
    ["Held since", run.outcome === "held" && run.held_at && <Time at={run.held_at} />],
    ["Ended", run.outcome !== "held" && run.ended_at && <Time at={run.ended_at} />],
    ["Applied", run.applied_at && <Time at={run.applied_at} />],
    [
      "Decision",
      run.decision && run.outcome !== "discarded" && <Decision decision={run.decision} />,
    ],
    [
      "Package",
      run.package && (
        <Text as="span" overflowWrap="anywhere">
          {run.package}
        </Text>
      ),
    ],
    [
      "Packages",
      run.packages.length > 1 && (
        <Text as="span" overflowWrap="anywhere">
          {run.packages.join(", ")}
        </Text>
      ),
    ],
    ["sha256", run.sha256 && <Hash value={run.sha256} label="the sha256 of the package" />],
    ["OneRoster", run.oneroster_version ?? (isUnreadable(run) && "Unknown version")],
    ["Plan", run.plan_hash && <Hash value={run.plan_hash} label="the hash of the plan" />],
    ["DAG run", run.dag_run && <DagRunLink dagRun={run.dag_run} />],
    ["Run", <Hash value={run.run_id} label="the id of the run" length={8} />],
  ].filter(([, value]) => value);
  return (
    <Grid as="dl" templateColumns="8rem minmax(0, 1fr)" columnGap="3" rowGap="1.5" fontSize="sm">
      {facts.flatMap(([label, value]) => [
        <Box key={`${label}-dt`} as="dt" color="fg.muted">
          {label}
        </Box>,
        <Box key={`${label}-dd`} as="dd" m="0" minWidth={0}>
          {value}
        </Box>,
      ])}
    </Grid>
  );
}

/** Whether the package of a rejected run does not even say which version it is. */
function isUnreadable(run: RunDetail) {
  const isMapping = MAPPINGS.some(({ title }) => run.type.startsWith(title));
  return run.outcome === "rejected" && run.sha256 && !isMapping;
}

/** Who decided about the plan, when and why. */
export function Decision({ decision: { decision, by, at, reason } }: { decision: Decision }) {
  return (
    <Text as="span">
      {`${decision === "approved" ? "Approved" : "Discarded"} by ${by}, `}
      <Time at={at} />
      {reason && `: “${reason}”`}
    </Text>
  );
}

/** A link to the page of another run. */
export function RunLink({ id }: { id: string }) {
  return (
    <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
      <Link to={`${HOME}/runs/${id}`}>{`run ${id.slice(0, 8)}`}</Link>
    </Box>
  );
}

/**
 * A link to the page that Airflow itself has of the DAG run.
 *
 * @param props.children What the link says; the id of the DAG run when left out.
 */
export function DagRunLink({ dagRun, children }: { dagRun: DagRun; children?: ReactNode }) {
  return (
    <Box asChild color="fg.info" overflowWrap="anywhere" _hover={{ textDecoration: "underline" }}>
      <Link to={addressOf(dagRun)}>{children ?? dagRun.dag_run_id}</Link>
    </Box>
  );
}

/** Return where Airflow shows a DAG run. */
export function addressOf({
  dag_id: dagId,
  dag_run_id: runId,
}: Pick<DagRun, "dag_id" | "dag_run_id">) {
  return `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
}

/**
 * The beginning of a hash, and a button that copies all of it.
 *
 * @param props.label What is copied, for the name of the button.
 * @param props.length How much is shown.
 */
export function Hash({
  value,
  label,
  length = 12,
}: {
  value: string;
  label: string;
  length?: number;
}) {
  return (
    <Clipboard.Root value={value} display="inline-flex">
      <Flex align="center" gap="1">
        <Code size="sm" variant="surface" title={value}>
          {value.slice(0, length)}
        </Code>
        <Clipboard.Trigger asChild>
          <IconButton
            size="2xs"
            variant="ghost"
            aria-label={`Copy ${label}`}
            title={`Copy ${label}`}
          >
            <Clipboard.Indicator />
          </IconButton>
        </Clipboard.Trigger>
      </Flex>
    </Clipboard.Root>
  );
}
