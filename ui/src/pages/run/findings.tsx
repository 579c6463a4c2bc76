/** The tab Findings: the causes, in the order in which to mend them, and the rows of each. */

import { Badge, Box, Button, Code, Flex, Link as Anchor, Stack, Text } from "@chakra-ui/react";
import { useId, useState } from "react";
import { Link } from "react-router-dom";
import { type Pages, url, useApi, usePages } from "../../lib/api";
import type { Cause, FindingRow, FindingRows, RunDetail } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, type May } from "../../lib/ui";
import { counted, number } from "../../lib/words";
import { SinceLast } from "./compare";
import { Place } from "./fields";
import { Choice, type Column, More, Rows, SearchBox, Toolbar, useSettled } from "./lists";
import { SEVERITIES } from "../../words/runs";
import { EMPTY } from "../../words/empty";

/** Show the causes of a run's findings, and the rows of each to those who may see them. */
export function RunFindings({ run, may }: { run: RunDetail; may: May }) {
  const { data, problem, reload } = useApi(`runs/${run.run_id}/causes`);
  const [words, setWords] = useState("");
  const [severity, setSeverity] = useState("");
  const q = useSettled(words.trim());
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="24rem" />;
  }
  if (data.causes.length === 0) {
    return (
      <Box>
        <SinceLast run={run} />
        <NoFindings run={run} />
      </Box>
    );
  }
  const found = data.causes.filter(({ code }) => !isOfPlan(code));
  const causes = found.filter(
    (cause) => cause.follows === null && (!severity || cause.severity === severity),
  );
  const guards = data.causes.length - found.length;
  return (
    <Box>
      <SinceLast run={run} />
      <Toolbar>
        {may.details && (
          <SearchBox
            label="Search sourcedId, file, column or code"
            value={words}
            onChange={setWords}
          />
        )}
        <Choice label="Severity" value={severity} onChange={setSeverity} choices={SEVERITIES} />
        <Box flex="1" />
        {may.details && (
          <Button asChild variant="outline" size="sm">
            <a
              href={url(`runs/${run.run_id}/findings.csv`)}
              download={`findings-${run.run_id}.csv`}
            >
              Download CSV for the SIS team
            </a>
          </Button>
        )}
      </Toolbar>
      {!may.details && (
        <Text color="fg.muted" fontSize="sm" mb="3">
          Your role sees what is wrong and how often. Operators and administrators also see which
          rows.
        </Text>
      )}
      {q && may.details ? (
        <Found run={run} severity={severity} q={q} />
      ) : (
        <Causes run={run} causes={causes} all={found} may={may} />
      )}
      {guards > 0 && !q && (
        <Text fontSize="sm" color="fg.muted" mt="3">
          {`${counted(guards, "limit")} of the site ${guards === 1 ? "was" : "were"} exceeded, too. That is no fault of a row: `}
          <Anchor asChild color="fg.info" textDecoration="underline">
            <Link to={`${HOME}/runs/${run.run_id}`}>the overview says what to decide</Link>
          </Anchor>
          .
        </Text>
      )}
    </Box>
  );
}

function Causes({
  run,
  causes,
  all,
  may,
}: {
  run: RunDetail;
  causes: Cause[];
  all: Cause[];
  may: May;
}) {
  if (causes.length === 0) {
    return <Empty {...EMPTY.causes} />;
  }
  // Errors have a scale of their own: one warning of every row would make all of them look alike.
  const most = (severity: string) =>
    Math.max(1, ...all.filter((one) => one.severity === severity).map((one) => one.affected));
  return (
    <Stack as="ul" gap="3" listStyleType="none" aria-label="Causes, what to fix first">
      {causes.map((cause) => (
        <Cause
          key={cause.number}
          cause={cause}
          dependants={all.filter(({ follows }) => follows === cause.number)}
          most={most(cause.severity)}
          runId={run.run_id}
          opens={may.details}
        />
      ))}
    </Stack>
  );
}

/** The rows that fit a search, whatever their cause. */
function Found({ run, severity, q }: { run: RunDetail; severity: string; q: string }) {
  const list = usePages(`runs/${run.run_id}/findings`, { severity, q, limit: 50 }, "findings");
  if (list.rows === null) {
    return list.problem ? (
      <Failure problem={list.problem} retry={list.reload} />
    ) : (
      <Loading height="16rem" />
    );
  }
  if (list.rows.length === 0 && !list.loading) {
    return <Empty {...EMPTY.rows} />;
  }
  return (
    <Box>
      <FindingRows list={list} caption="Findings that fit the search" withCause />
      <More list={list} what="findings" />
    </Box>
  );
}

const ENDED_EARLY = new Set(["failed", "skipped"]);

function NoFindings({ run }: { run: RunDetail }) {
  if (run.outcome === null) {
    return <Empty {...EMPTY.findingsYet} />;
  }
  if (ENDED_EARLY.has(run.outcome)) {
    return <Empty {...EMPTY.findingsOfFailed} />;
  }
  return <Empty {...(run.undoes ? EMPTY.noFile : EMPTY.noFindings)} />;
}

/**
 * Show one cause as a card.
 *
 * @param props.dependants What follows from it, and goes with it.
 * @param props.most The rows of the cause that affects the most, for the bar.
 * @param props.opens Whether its rows may be seen.
 */
export function Cause({
  cause,
  dependants,
  most,
  runId,
  opens,
}: {
  cause: Cause;
  dependants: Cause[];
  most: number;
  runId: string;
  opens: boolean;
}) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const isError = cause.severity === "error";
  const isOfRows = cause.first_row !== null || cause.target_file !== null;
  const count = isOfRows ? cause.affected : cause.findings;
  const hasRows = isOfRows || cause.findings > 1;
  return (
    <Box
      as="li"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="md"
      borderInlineStartWidth="4px"
      borderInlineStartColor={isError ? "error.solid" : "warning.solid"}
      p="3"
    >
      <Flex gap="3" justify="space-between" wrap={{ base: "wrap", md: "nowrap" }}>
        <Box minWidth={0} flex="1 1 20rem">
          <Flex gap="2" align="center" wrap="wrap" mb="1">
            <Text as="span" color="fg.muted" fontWeight="semibold">{`${cause.number}.`}</Text>
            <Severity severity={cause.severity} />
            <Code size="sm" variant="surface">
              {cause.code}
            </Code>
          </Flex>
          <Text as="h2" fontWeight="semibold" id={`${id}-title`}>
            {titleOf(cause)}
          </Text>
          <Text fontSize="sm" mt="1">
            <Text as="span" color="fg.muted">
              What to do:{" "}
            </Text>
            {cause.hint}
          </Text>
          <Where cause={cause} />
        </Box>
        <Share count={count} most={most} isError={isError} isOfRows={isOfRows} own={cause.rows} />
      </Flex>
      {opens && hasRows && (
        <Button
          size="xs"
          variant="ghost"
          mt="1"
          mb="-1"
          ml="-2"
          aria-expanded={isOpen}
          aria-controls={`${id}-rows`}
          aria-describedby={`${id}-title`}
          onClick={() => setIsOpen(!isOpen)}
        >
          <Box as="span" aria-hidden>
            {isOpen ? "▾" : "▸"}
          </Box>
          {isOpen ? "Hide rows" : "Show rows"}
        </Button>
      )}
      <Box id={`${id}-rows`} hidden={!isOpen} mt="2">
        {isOpen && <RowsOf cause={cause} runId={runId} />}
      </Box>
      {dependants.map((one) => (
        <Dependant key={one.number} cause={one} runId={runId} opens={opens} />
      ))}
    </Box>
  );
}

/** What follows from a cause, in one line: it goes when the cause is fixed. */
function Dependant({ cause, runId, opens }: { cause: Cause; runId: string; opens: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  const what = `${counted(cause.rows, "dependent row")}${cause.file ? ` of ${cause.file}` : ""}`;
  return (
    <Box borderTopWidth="1px" mt="2" pt="2" fontSize="sm">
      <Flex gap="2" align="baseline" wrap="wrap">
        <Text as="span" fontWeight="semibold">
          {what}
        </Text>
        <Text
          as="span"
          color="fg.muted"
        >{`${titleOf(cause)} Fixed with issue ${cause.follows}.`}</Text>
        {opens && (
          <Button
            size="2xs"
            variant="ghost"
            aria-expanded={isOpen}
            aria-controls={id}
            onClick={() => setIsOpen(!isOpen)}
          >
            {isOpen ? "Hide them" : "Show them"}
          </Button>
        )}
      </Flex>
      <Box id={id} hidden={!isOpen} mt="2">
        {isOpen && <RowsOf cause={cause} runId={runId} />}
      </Box>
    </Box>
  );
}

/** Whether a code is of a limit that a plan exceeds, and of no row. */
function isOfPlan(code: string) {
  return code.startsWith("guard.");
}

/** Say how grave a finding is, in words and colour. */
export function Severity({ severity }: { severity: "error" | "warning" }) {
  const isError = severity === "error";
  return (
    <Badge colorPalette={isError ? "error" : "warning"} variant="subtle">
      {isError ? "Error" : "Warning"}
    </Badge>
  );
}

/** What is wrong, and with which record where one is missing. */
function titleOf({ meaning, target, target_file: file }: Cause) {
  return target ? `${meaning.replace(/\.$/, "")}: ${target} of ${file}.` : meaning;
}

function Where({ cause: { file, column, expected, first_row: first } }: { cause: Cause }) {
  const parts = [
    ["File", file],
    ["Column", column],
    ["Expected", expected],
    ["First row", first?.toLocaleString("en")],
  ].filter(([, value]) => value);
  return (
    <Flex as="dl" wrap="wrap" columnGap="5" rowGap="1" mt="2" fontSize="sm">
      {parts.map(([label, value]) => (
        <Flex key={label} gap="2" minWidth={0}>
          <Box as="dt" color="fg.muted" flex="none">
            {label}
          </Box>
          <Box as="dd" m="0" overflowWrap="anywhere">
            {value}
          </Box>
        </Flex>
      ))}
    </Flex>
  );
}

function Share({
  count,
  most,
  isError,
  isOfRows,
  own,
}: {
  count: number;
  most: number;
  isError: boolean;
  isOfRows: boolean;
  own: number;
}) {
  const width = `${Math.max(2, (100 * count) / most)}%`;
  const noun = isOfRows ? "row" : "finding";
  return (
    <Box flex="none" width={{ base: "100%", md: "11rem" }}>
      <Text
        textAlign={{ base: "start", md: "end" }}
        fontWeight="semibold"
      >{`${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`}</Text>
      <Box aria-hidden bg="bg.emphasized" borderRadius="full" height="1.5" mt="1">
        <Box
          bg={isError ? "error.solid" : "warning.solid"}
          borderRadius="full"
          height="100%"
          width={width}
        />
      </Box>
      {isOfRows && count > own && (
        <Text
          color="fg.muted"
          fontSize="xs"
          textAlign={{ base: "start", md: "end" }}
          mt="1"
        >{`${counted(own, "row")} + ${number(count - own)} dependent`}</Text>
      )}
    </Box>
  );
}

function RowsOf({ cause, runId }: { cause: Cause; runId: string }) {
  const params = { cause: cause.number, limit: 50 };
  const list = usePages(`runs/${runId}/findings`, params, "findings");
  if (list.rows === null) {
    return list.problem ? (
      <Failure problem={list.problem} retry={list.reload} />
    ) : (
      <Loading height="8rem" />
    );
  }
  return (
    <Box>
      <FindingRows list={list} caption={`Rows: ${cause.meaning}`} />
      <More list={list} what="findings" total={cause.findings} />
    </Box>
  );
}

/**
 * List findings row by row.
 *
 * @param props.list As `usePages` gives it.
 * @param props.withCause Whether each row says what is wrong with it.
 */
export function FindingRows({
  list,
  caption,
  withCause = false,
}: {
  list: Pages<FindingRows, FindingRow>;
  caption: string;
  withCause?: boolean;
}) {
  const columns: Column<FindingRow>[] = [
    { key: "place", label: "Where", width: "14rem", cell: (row) => <PlaceOf row={row} /> },
    {
      key: "sourced_id",
      label: "sourcedId",
      width: "26%",
      cell: (row) => <WhoseOf row={row} />,
    },
    { key: "column", label: "Column", cell: ({ column }) => column ?? "–" },
  ];
  if (withCause) {
    columns.push({ key: "cause", label: "What is wrong", cell: (row) => <Wrong row={row} /> });
  }
  return (
    <Rows
      caption={caption}
      columns={columns}
      rows={list.rows ?? []}
      rowKey={({ seq }) => seq}
      busy={list.loading}
    />
  );
}

/** The sourcedId of a row; with both names where another person came under it. */
function WhoseOf({ row: { sourced_id: id, people } }: { row: FindingRow }) {
  if (!id) {
    return "–";
  }
  return (
    <Box>
      <Code size="sm" variant="plain" px="0">
        {id}
      </Code>
      {people && (
        <Box as="dl" fontSize="sm" m="0" mt="1">
          {[
            ["Has it", people.known],
            ["Comes under it", people.coming],
          ].map(([label, name]) => (
            <Flex key={label} gap="2">
              <Box as="dt" color="fg.muted" flex="none">
                {label}
              </Box>
              <Box as="dd" m="0" overflowWrap="anywhere">
                {name}
              </Box>
            </Flex>
          ))}
        </Box>
      )}
    </Box>
  );
}

function PlaceOf({ row: { file, row, rows } }: { row: FindingRow }) {
  const others = rows > 1 ? ` and ${(rows - 1).toLocaleString("en")} more` : "";
  return (
    <Text as="span">
      <Place file={file} row={row} />
      {others}
    </Text>
  );
}

function Wrong({ row: { severity, meaning, hint, expected } }: { row: FindingRow }) {
  return (
    <Box>
      <Flex gap="2" align="center" wrap="wrap">
        <Severity severity={severity} />
        {meaning}
      </Flex>
      {expected && <Text color="fg.muted" fontSize="sm">{`Expected: ${expected}`}</Text>}
      <Text color="fg.muted" fontSize="sm">
        {hint}
      </Text>
    </Box>
  );
}
