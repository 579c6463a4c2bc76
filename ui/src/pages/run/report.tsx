/** The tab Report: the results of Great Expectations; and what a run has to do with other runs. */

import { Badge, Box, Button, Code, Flex, Heading, Stack, Text } from "@chakra-ui/react";
import { type ReactNode, useId, useState } from "react";
import { Link } from "react-router-dom";
import { useApi } from "../../lib/api";
import type { Expectation, RunDetail, SuiteResult, UndoPart, Withheld } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, Outcome } from "../../lib/ui";
import { counted } from "../../lib/words";
import { Rows } from "./lists";
import { RunLink } from "./overview";
import { KIND_OF, NOUNS, PLURALS } from "../../words/records";
import { EMPTY } from "../../words/empty";

const SEVERITIES: Record<string, string> = { critical: "error", warning: "warning", info: "gray" };

/** Show the report of a run. */
export function Report({ run }: { run: RunDetail }) {
  if (!run.has.report) {
    return <NoReport run={run} />;
  }
  return <Suites run={run} />;
}

function Suites({ run }: { run: RunDetail }) {
  const { data, problem, reload } = useApi(`runs/${run.run_id}/report`);
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="24rem" />;
  }
  const passed = data.suites.filter(({ success }) => success).length;
  return (
    <Box>
      <Flex justify="space-between" align="center" wrap="wrap" gap="2" mb="3">
        <Text
          color="fg.muted"
          fontSize="sm"
        >{`${passed} of ${data.suites.length} files meet every expectation. A row that meets them is used; one that does not is left exactly as it is.`}</Text>
        {data.docs && (
          <Button asChild variant="outline" size="sm">
            <a href={new URL(data.docs, document.baseURI).href} download="">
              Download Great Expectations' Data Docs
            </a>
          </Button>
        )}
      </Flex>
      <Stack gap="4">
        {failedFirst(data.suites).map((suite) => (
          <Suite key={suite.file} suite={suite} />
        ))}
      </Stack>
    </Box>
  );
}

function failedFirst(suites: SuiteResult[]) {
  return [...suites].sort((a, b) => Number(a.success) - Number(b.success));
}

function Suite({ suite }: { suite: SuiteResult }) {
  const failed = suite.expectations.filter(({ success }) => !success);
  const passed = suite.expectations.filter(({ success }) => success);
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  return (
    <Box
      as="section"
      aria-labelledby={id}
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="md"
      p="3"
    >
      <Flex gap="3" align="center" wrap="wrap" mb={failed.length > 0 ? "3" : "0"}>
        <Heading as="h2" size="md" id={id}>
          {suite.file}
        </Heading>
        <Verdict success={suite.success} />
        <Text
          color="fg.muted"
          fontSize="sm"
        >{`OneRoster ${suite.version} · ${suite.rows.toLocaleString("en")} rows · ${passed.length} of ${suite.expectations.length} expectations met`}</Text>
        <Box flex="1" />
        {passed.length > 0 && (
          <Button
            size="xs"
            variant="ghost"
            aria-expanded={isOpen}
            aria-controls={`${id}-passed`}
            onClick={() => setIsOpen(!isOpen)}
          >
            <Box as="span" aria-hidden>
              {isOpen ? "▾" : "▸"}
            </Box>
            {isOpen ? "Hide those met" : `Show the ${passed.length} met`}
          </Button>
        )}
      </Flex>
      {failed.length > 0 && (
        <Expectations caption={`Expectations that ${suite.file} does not meet`} rows={failed} />
      )}
      <Box id={`${id}-passed`} hidden={!isOpen} mt="2">
        {isOpen && <Expectations caption={`Expectations that ${suite.file} meets`} rows={passed} />}
      </Box>
    </Box>
  );
}

function Verdict({ success }: { success: boolean }) {
  return (
    <Badge colorPalette={success ? "success" : "failed"} variant="subtle">
      <Box as="span" aria-hidden>
        {success ? "✓" : "✕"}
      </Box>
      {success ? "Met" : "Not met"}
    </Badge>
  );
}

function Expectations({ caption, rows }: { caption: string; rows: Expectation[] }) {
  return (
    <Rows
      caption={caption}
      rows={rows}
      rowKey={(_row, index) => index}
      columns={[
        {
          key: "title",
          label: "Expectation",
          cell: ({ title, expectation }) => (
            <Text as="span" title={expectation}>
              {title}
            </Text>
          ),
        },
        { key: "column", label: "Column", width: "18%", cell: ({ column }) => column ?? "–" },
        { key: "severity", label: "Severity", width: "8rem", cell: (row) => <Weight row={row} /> },
        {
          key: "unexpected",
          label: "Rows that differ",
          width: "13rem",
          cell: (row) => <Numbers row={row} />,
        },
        {
          key: "code",
          label: "Code",
          width: "16rem",
          cell: ({ code }) =>
            code ? (
              <Code size="sm" variant="surface">
                {code}
              </Code>
            ) : (
              "–"
            ),
        },
      ]}
    />
  );
}

function Weight({ row: { severity, success } }: { row: Expectation }) {
  const colorPalette = success ? "gray" : (SEVERITIES[severity] ?? "gray");
  return (
    <Badge colorPalette={colorPalette} variant="subtle">
      {severity}
    </Badge>
  );
}

function Numbers({ row: { unexpected, checked } }: { row: Expectation }) {
  const share = checked && unexpected ? ` (${((100 * unexpected) / checked).toFixed(1)} %)` : "";
  return `${(unexpected ?? 0).toLocaleString("en")} of ${(checked ?? 0).toLocaleString("en")}${share}`;
}

function NoReport({ run }: { run: RunDetail }) {
  if (run.outcome === null) {
    return <Empty {...EMPTY.reportYet} />;
  }
  return <Empty {...EMPTY.report} />;
}

const WORDS: Record<string, string> = { rekeyed: "given another sourcedId" };

/** Say of which other run this one is; nothing for a run of its own. */
export function Origin({ run }: { run: RunDetail }) {
  if (run.undoes) {
    return (
      <Line>
        Undoes <RunLink id={run.undoes} />
        {`: ${partInWords(run.undo_of)}.`}
      </Line>
    );
  }
  if (run.removals_of) {
    return (
      <Line>
        Brings the removals that <RunLink id={run.removals_of} /> left for a decision. The rest of
        that plan has been applied.
      </Line>
    );
  }
  return null;
}

function Line({ children }: { children: ReactNode }) {
  return (
    <Text fontSize="sm" color="fg.muted" mt="2">
      {children}
    </Text>
  );
}

/** Return which part of a run is taken back. */
function partInWords(part: UndoPart | null) {
  const { kind, sourced_id: id, changed_too: too } = part ?? {};
  const also = too ? ", also what changed again since" : "";
  if (id) {
    return `only ${kind ? `the ${PLURALS[KIND_OF[kind]]} of ${id}` : `${id} with its course assignments`}${also}`;
  }
  return `${kind ? `only its ${PLURALS[KIND_OF[kind]]}` : "all of it"}${also}`;
}

/** Say what a plan leaves out, why, and what becomes of it; nothing when it leaves out nothing. */
export function LeftOut({ run }: { run: RunDetail }) {
  if (!run.withheld) {
    return null;
  }
  return run.withheld.why === "removals_wait" ? (
    <Removals run={run} />
  ) : (
    <Rest left={run.withheld} />
  );
}

/** What a sync that only adds leaves out. */
function Rest({ left }: { left: Withheld }) {
  return (
    <Part title={`Left out until ${left.until}`} tone="info">
      <Text>{`Add-only mode until that day. Left out: ${numbersOf(left)}.`}</Text>
      <Text color="fg.muted">
        The first run after that day applies it, if the package still contains it.
      </Text>
    </Part>
  );
}

/** The removals of a plan, which wait in a run of their own. */
function Removals({ run }: { run: RunDetail }) {
  const { data: found } = useApi(run.removals_run && `runs/${run.removals_run}`);
  const isDecided = found && found.outcome !== null && (found.outcome !== "held" || found.decision);
  return (
    <Part
      title={
        isDecided ? "Its removals were a run of their own" : "Its removals wait for a decision"
      }
      tone="warning"
    >
      <Text>{`Left out of this plan: ${numbersOf(run.withheld)}.`}</Text>
      <Text color="fg.muted">{run.removals_run ? ALONE : soon(run)}</Text>
      {run.removals_run && (
        <Flex gap="3" align="center" wrap="wrap" mt="3" minHeight="8">
          <Button asChild size="sm" variant="outline">
            <Link to={`${HOME}/runs/${run.removals_run}`}>Look at the removals</Link>
          </Button>
          {found && <Outcome outcome={found.outcome} />}
          {found && (
            <Text flex="1 1 16rem" minWidth={0}>
              {found.sentence}
            </Text>
          )}
        </Flex>
      )}
    </Part>
  );
}

function Part({ title, tone, children }: { title: string; tone: string; children: ReactNode }) {
  return (
    <Box
      as="section"
      aria-labelledby="left-out"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderInlineStartWidth="4px"
      borderInlineStartColor={`${tone}.solid`}
      borderRadius="md"
      fontSize="sm"
      p="4"
      mb="4"
    >
      <Heading as="h2" size="md" id="left-out" mb="1">
        {title}
      </Heading>
      {children}
    </Box>
  );
}

const ALONE =
  "They are beyond the limits in the site's preferences. The rest of the plan did not wait for them.";

function soon({ applied_at: applied, outcome }: RunDetail) {
  if (outcome === null || applied) {
    return "They are beyond the limits in the site's preferences, and get a run of their own as soon as this one has ended.";
  }
  return "This plan was not applied, so they do not get a run of their own. The next run makes a new plan.";
}

function numbersOf(left: Withheld | null) {
  const parts = Object.entries(NOUNS).flatMap(([kind, noun]) =>
    Object.entries(left?.[kind as keyof typeof NOUNS] ?? {}).map(
      ([word, count]) => `${counted(count, noun)} ${WORDS[word] ?? word}`,
    ),
  );
  return parts.join(", ");
}
