/** The tab Compare: what is different in a run since an earlier one of the same site. */

import { Badge, Box, Code, Flex, Grid, Heading, Link as Anchor, Text } from "@chakra-ui/react";
import { Link, useSearchParams } from "react-router-dom";
import { inSelected } from "../../lib/time";
import { type Problem, useApi } from "../../lib/api";
import type {
  Comparison,
  Difference,
  Place,
  PlanDifference,
  RecordDifference,
  RunDetail,
  RunSummary,
} from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, type May, Outcome, Time } from "../../lib/ui";
import { capital, counted, number, outcomeLabel } from "../../lib/words";
import { Severity } from "./findings";
import { Choice, type Column, Rows, Toolbar } from "./lists";
import { KINDS } from "../../words/records";
import { EMPTY } from "../../words/empty";

/** How many of a site's runs can be chosen. */
const CHOICES = 100;

/** Compare a run with the one before, or with another one that the address names. */
export function Compare({ run, may }: { run: RunDetail; may: May }) {
  const [params, setParams] = useSearchParams();
  const chosen = params.get("earlier");
  const { data, problem, reload, loading } = useApi(`runs/${run.run_id}/comparison`, {
    params: { earlier: chosen ?? undefined },
  });
  const choose = (id: string) =>
    setParams(
      (old) => {
        const changed = new URLSearchParams(old);
        changed.set("earlier", id);
        return changed;
      },
      { replace: true },
    );
  return (
    <Box>
      <Toolbar>
        <Text fontSize="sm" color="fg.muted" aria-hidden>
          Compare with
        </Text>
        <Earlier run={run} value={data?.earlier.run_id ?? chosen ?? ""} onChange={choose} />
      </Toolbar>
      {problem && <Refused problem={problem} retry={reload} />}
      {!problem && !data && <Loading height="16rem" />}
      {!problem && data && (
        <Box opacity={loading ? 0.6 : 1}>
          <Differences found={data} may={may} />
        </Box>
      )}
    </Box>
  );
}

function Refused({ problem, retry }: { problem: Problem; retry: () => void }) {
  if (problem.status === 404) {
    return <Empty {...EMPTY.comparison} />;
  }
  return problem.status === 410 ? (
    <Empty title={EMPTY.expired.title}>{problem.detail}</Empty>
  ) : (
    <Failure problem={problem} retry={retry} />
  );
}

/** The runs that this one can be compared with. */
function Earlier({
  run,
  value,
  onChange,
}: {
  run: RunDetail;
  value: string;
  onChange: (id: string) => void;
}) {
  const { data } = useApi(`sites/${run.site}/runs`, { params: { limit: CHOICES } });
  const others = (data?.runs ?? []).filter(
    (one) => one.run_id !== run.run_id && one.outcome !== null,
  );
  const choices = others.map((one) => ({ value: one.run_id, label: nameOf(one) }));
  if (!choices.some((one) => one.value === value)) {
    choices.unshift({ value, label: value ? `run ${value.slice(0, 8)}` : "Choose a run" });
  }
  return <Choice label="Compare with" value={value} onChange={onChange} choices={choices} />;
}

function nameOf(run: RunSummary) {
  const outcome = outcomeLabel(run.outcome, run.is_preview);
  const name = run.uploaded_as ? ` · ${run.uploaded_as}` : "";
  return `${inSelected(run.started_at)} · ${outcome}${name}`;
}

function Differences({ found, may }: { found: Comparison; may: May }) {
  const { places, records, plan } = found;
  const different = places.filter(({ fixed, new: added }) => fixed > 0 || added > 0);
  return (
    <Grid gap="6">
      <Box>
        <Text mb="2">
          Since the <RunName run={found.earlier} />:{" "}
          <strong>{inWords(found.errors, "error")}</strong>
          {`; ${inWords(found.warnings, "warning")}.`}
        </Text>
      </Box>
      <Box as="section" aria-labelledby="compare-findings">
        <Heading as="h2" size="sm" id="compare-findings" mb="2">
          Findings
        </Heading>
        {different.length > 0 ? (
          <Places places={different} />
        ) : (
          <Text color="fg.muted" fontSize="sm">
            The same rows have the same findings.
          </Text>
        )}
        {may.details && records.length > 0 && <Records records={records} />}
      </Box>
      <Box as="section" aria-labelledby="compare-counts">
        <Heading as="h2" size="sm" id="compare-counts" mb="2">
          Counts
        </Heading>
        <Counts earlier={found.earlier} later={found.later} />
      </Box>
      <Box as="section" aria-labelledby="compare-plan">
        <Heading as="h2" size="sm" id="compare-plan" mb="2">
          Changes
        </Heading>
        {plan ? (
          <Plans plan={plan} />
        ) : (
          <Text color="fg.muted" fontSize="sm">
            One of the plans was deleted when it expired, so their changes cannot be compared.
          </Text>
        )}
      </Box>
    </Grid>
  );
}

function RunName({ run }: { run: RunSummary }) {
  return (
    <Box as="span">
      <Anchor asChild color="fg.info" textDecoration="underline">
        <Link to={`${HOME}/runs/${run.run_id}`}>
          {run.is_preview ? "check" : "run"} of <Time at={run.started_at} seconds={false} bare />
        </Link>
      </Anchor>{" "}
      <Outcome outcome={run.outcome} isPreview={run.is_preview} />
    </Box>
  );
}

/** Say a difference in words, as `3 errors fixed, 1 new, 20 still there`. */
export function inWords({ fixed, new: added, still }: Difference, noun: string) {
  if (fixed + added + still === 0) {
    return `no ${noun}s in either`;
  }
  return `${counted(fixed, noun)} fixed, ${number(added)} new, ${number(still)} still there`;
}

function Places({ places }: { places: Place[] }) {
  const columns: Column<Place>[] = [
    {
      key: "what",
      label: "Finding",
      cell: ({ severity, code, meaning }) => (
        <Box>
          <Flex gap="2" align="center" wrap="wrap">
            <Severity severity={severity} />
            <Code size="sm" variant="surface">
              {code}
            </Code>
          </Flex>
          <Text fontSize="sm">{meaning}</Text>
        </Box>
      ),
    },
    {
      key: "where",
      label: "Where",
      width: "22%",
      cell: ({ file, column }) => [file, column].filter(Boolean).join(", ") || "the package",
    },
    ...numbersOf<Place>(["fixed", "new", "still"]),
  ];
  return (
    <Rows
      caption="Findings that are different, by code, file and column"
      columns={columns}
      rows={places}
      rowKey={({ code, severity, file, column }) => [code, severity, file, column].join(" ")}
    />
  );
}

function numbersOf<Row>(names: (keyof Row & string)[]): Column<Row>[] {
  return names.map((name) => ({
    key: name,
    label: name === "still" ? "Still there" : capital(name),
    width: "6rem",
    align: "end",
    cell: (row) => number(Number(row[name])),
  }));
}

function Records({ records }: { records: RecordDifference[] }) {
  const columns: Column<RecordDifference>[] = [
    {
      key: "what",
      label: "Change",
      width: "6rem",
      cell: ({ fixed }) => (
        <Badge colorPalette={fixed ? "success" : "error"} variant="subtle">
          {fixed ? "Fixed" : "New"}
        </Badge>
      ),
    },
    { key: "code", label: "Finding", cell: ({ code }) => <Code size="sm">{code}</Code> },
    {
      key: "where",
      label: "Where",
      cell: ({ file, column, row }) =>
        [file, column, row && `row ${number(row)}`].filter(Boolean).join(", ") || "the package",
    },
    { key: "id", label: "sourcedId", width: "26%", cell: ({ sourced_id: id }) => id ?? "–" },
  ];
  return (
    <Box mt="4">
      <Rows
        caption="Records whose findings are fixed or new"
        columns={columns}
        rows={records}
        rowKey={(_, index) => index}
      />
    </Box>
  );
}

const WORDS = ["added", "updated", "removed", "errors"] as const;

interface CountRow {
  key: string;
  label: string;
  earlier: number | null;
  later: number | null;
}

function Counts({ earlier, later }: { earlier: RunSummary; later: RunSummary }) {
  const rows: CountRow[] = KINDS.flatMap(([kind, label]) =>
    WORDS.map((word) => ({
      key: `${kind} ${word}`,
      label: `${label}: ${word === "removed" ? "deactivated or removed" : word}`,
      earlier: earlier.totals?.[kind]?.[word] ?? null,
      later: later.totals?.[kind]?.[word] ?? null,
    })),
  ).filter((row) => row.earlier || row.later);
  if (rows.length === 0) {
    return (
      <Text color="fg.muted" fontSize="sm">
        Neither changes anything.
      </Text>
    );
  }
  const shown = (value: number | null) => (value === null ? "–" : number(value));
  return (
    <Rows
      caption="What both runs come to"
      columns={[
        { key: "what", label: "Count", cell: ({ label }) => label },
        {
          key: "earlier",
          label: "Earlier",
          width: "7rem",
          align: "end",
          cell: (row) => shown(row.earlier),
        },
        {
          key: "later",
          label: "This run",
          width: "7rem",
          align: "end",
          cell: (row) => shown(row.later),
        },
      ]}
      rows={rows}
      rowKey={({ key }) => key}
    />
  );
}

function Plans({ plan }: { plan: PlanDifference[] }) {
  return (
    <Rows
      caption="Changes that both plans make, and those that only one makes"
      columns={[
        { key: "kind", label: "Changes of", cell: ({ kind }) => `${kind}s` },
        {
          key: "both",
          label: "In both",
          width: "7rem",
          align: "end",
          cell: (row) => number(row.both),
        },
        {
          key: "earlier",
          label: "Earlier only",
          width: "7rem",
          align: "end",
          cell: (row) => number(row.only_earlier),
        },
        {
          key: "later",
          label: "This run only",
          width: "7rem",
          align: "end",
          cell: (row) => number(row.only_later),
        },
      ]}
      rows={plan}
      rowKey={({ kind }) => kind}
    />
  );
}

/** Say beside the findings of a run how they differ from those of the run before. */
export function SinceLast({ run }: { run: RunDetail }) {
  const { data } = useApi(run.earlier_run ? `runs/${run.run_id}/comparison` : null);
  const [params] = useSearchParams();
  if (!data) {
    return null;
  }
  const { errors, warnings } = data;
  const fixed = errors.fixed + warnings.fixed;
  const added = errors.new + warnings.new;
  const there = new URLSearchParams(params);
  there.set("tab", "compare");
  return (
    <Text fontSize="sm" mb="3" role="status">
      {fixed + added === 0
        ? "The same findings as in the last run. "
        : `${number(fixed)} fixed, ${number(added)} new since the last run. `}
      <Anchor asChild color="fg.info" textDecoration="underline">
        <Link to={`?${there}`}>Compare</Link>
      </Anchor>
    </Text>
  );
}
