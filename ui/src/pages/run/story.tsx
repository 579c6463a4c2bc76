/** One run: how it stands, why it did not end well, what it means for each school, and the tabs. */

import { Box, Button, Flex, Heading, Text } from "@chakra-ui/react";
import { type ReactNode, useState } from "react";
import { Link, useSearchParams } from "react-router-dom";
import type { Numbers, RunDetail, School } from "../../lib/openapi";
import { Stages } from "../../lib/stages";
import { HOME, type May, Outcome, Time } from "../../lib/ui";
import { counted, number } from "../../lib/words";
import { Accounts } from "./accounts";
import { Checked } from "./checked";
import { Compare } from "./compare";
import { Changes } from "./changes";
import { RunFindings } from "./findings";
import { DecisionBar, Hold } from "./hold";
import { Announcement, Notice, RunTabs, type Answer } from "./index";
import { Rows } from "./lists";
import { Log } from "./log";
import { addressOf, Decision, Overview } from "./overview";
import { NextSteps } from "./next_steps";
import { LeftOut, Origin, Report } from "./report";
import { UndoRun } from "./undo";
import { durationOf, isUnderWay } from "./watch";
import { KINDS } from "../../words/records";
import { ENDS } from "../../words/runs";

/**
 * Show a run that has been recorded.
 *
 * @param props.extra A further button beside those of the run.
 * @param props.inAirflow Whether this is shown on Airflow's own page of the DAG run.
 */
export function Story({
  run,
  may,
  reload,
  extra = null,
  inAirflow = false,
}: {
  run: RunDetail;
  may: May;
  reload: () => void;
  extra?: ReactNode;
  inAirflow?: boolean;
}) {
  const [notice, setNotice] = useState<Answer | null>(null);
  const underWay = isUnderWay(run);
  const isHeld = run.outcome === "held" && !run.decision;
  const [params] = useSearchParams();
  // Beside another tab the reasons would push what it shows out of sight.
  const isOverview = (params.get("tab") ?? "overview") === "overview";
  const onDecided = (answer: Answer | null) => {
    setNotice(answer);
    reload();
  };
  return (
    <Box>
      <Head run={run} extra={extra} inAirflow={inAirflow} />
      <Announcement run={run} />
      <Notice notice={isPast(notice, run) ? null : notice} close={() => setNotice(null)} />
      {run.dag_run && !inAirflow && (
        <Box mb="4">
          <Stages dagRun={run.dag_run} />
        </Box>
      )}
      {isHeld && isOverview && <Hold run={run} may={may} />}
      {run.is_preview && !underWay && <Checked run={run} may={may} />}
      <Trouble run={run} may={may} />
      <LeftOut run={run} />
      <RunTabs
        tabs={[
          { value: "overview", label: "Overview", body: <Overview run={run} /> },
          {
            value: "changes",
            label: "Changes",
            count: run.has.changes,
            hidden: !may.details,
            body: <Changes key={`${run.has.changes} ${run.applied_at}`} run={run} />,
          },
          {
            value: "findings",
            label: "Findings",
            count: run.has.issues,
            body: (
              <RunFindings key={JSON.stringify([run.findings, run.outcome])} run={run} may={may} />
            ),
          },
          {
            value: "compare",
            label: "Compare",
            hidden: run.earlier_run === null && !params.has("earlier"),
            body: <Compare key={run.outcome} run={run} may={may} />,
          },
          {
            value: "report",
            label: "Report",
            body: <Report key={String(run.has.report)} run={run} />,
          },
          {
            value: "accounts",
            label: "Accounts",
            hidden: !may.details || !run.has.accounts,
            body: <Accounts run={run} may={may} />,
          },
          {
            value: "log",
            label: "Log",
            hidden: !may.details,
            body: <Log run={run} underWay={underWay} />,
          },
        ]}
      />
      {isHeld && <DecisionBar run={run} may={may} onDecided={onDecided} />}
    </Box>
  );
}

/** That a plan is being applied is no news any more once it has been. */
function isPast(notice: Answer | null, run: RunDetail) {
  return Boolean(notice?.isPassing) && run.applied_at !== null;
}

function Head({ run, extra, inAirflow }: { run: RunDetail; extra: ReactNode; inAirflow: boolean }) {
  const stats: [string, ReactNode][] = [
    ["Started", <Time at={run.started_at} />],
    ["Duration", durationOf(run)],
    ["Type", run.type],
    ["Started by", run.requested_by],
    ["Credited to", run.credited_admin ?? "–"],
  ];
  return (
    <Box borderWidth="1px" borderColor="border.emphasized" borderRadius="8px" p="3" mb="4">
      <Flex gap="3" justify="space-between" align="flex-start" wrap="wrap">
        <Flex gap="3" align="center" flex="1 1 20rem" minWidth={0} wrap="wrap">
          <Outcome outcome={run.outcome} isPreview={run.is_preview} />
          <Box flex="1 1 16rem" minWidth={0}>
            <Text fontSize="md">{run.sentence}</Text>
            <Origin run={run} />
          </Box>
        </Flex>
        <Flex gap="2" wrap="wrap">
          {run.can.undo && <UndoRun run={run} />}
          {run.dag_run && !inAirflow && (
            <Button asChild size="sm" variant="outline">
              <Link to={addressOf(run.dag_run)}>DAG run</Link>
            </Button>
          )}
          {extra}
        </Flex>
      </Flex>
      <Flex as="dl" wrap="wrap" columnGap="8" rowGap="2" mt="3">
        {stats.map(([label, value]) => (
          <Box key={label} minWidth={0}>
            <Text as="dt" color="fg.muted" fontSize="xs" fontWeight="bold">
              {label}
            </Text>
            <Text as="dd" fontSize="sm" m="0" overflowWrap="anywhere">
              {value}
            </Text>
          </Box>
        ))}
      </Flex>
    </Box>
  );
}

/** Show the reasons of a run that did not end well; nothing for the others. */
export function Trouble({ run, may }: { run: RunDetail; may: May }) {
  const end = run.is_preview ? null : ENDS[run.outcome ?? ""];
  if (!end) {
    return null;
  }
  const reasons = run.holds.length > 0 ? run.holds.map(({ sentence }) => sentence) : notSaid(run);
  return (
    <Box
      as="section"
      aria-labelledby="trouble"
      borderWidth="1px"
      borderColor={`${end.tone}.emphasized`}
      borderInlineStartWidth="4px"
      borderInlineStartColor={`${end.tone}.solid`}
      borderRadius="md"
      p="4"
      mb="4"
    >
      <Heading as="h2" size="md" id="trouble" mb="1">
        {end.title}
      </Heading>
      {run.decision && (
        <Text fontSize="sm" mb="1">
          <Decision decision={run.decision} />
        </Text>
      )}
      {reasons.length > 0 && (
        <Box as="ul" fontSize="sm" ps="5" mb="1" listStyleType="disc" overflowWrap="anywhere">
          {reasons.map((reason, index) => (
            <li key={index}>{reason}</li>
          ))}
        </Box>
      )}
      <Text color="fg.muted" fontSize="sm">
        {end.next}
      </Text>
      <NextSteps run={run} may={may} />
    </Box>
  );
}

/** The reasons that the sentence at the top of the page does not say. */
function notSaid({ reasons, sentence }: RunDetail) {
  return reasons.filter((reason) => !sentence.includes(reason.replace(/\.$/, "")));
}

const SHOWN = 5;

const SORTS: ["ended" | "added" | "changed", string][] = [
  ["ended", "ended with their terms"],
  ["added", "added"],
  ["changed", "changed"],
];

/** List the schools of a plan, the one that loses most first; nothing when it is about none. */
export function Schools({ run }: { run: RunDetail }) {
  const { schools } = run;
  const [isWhole, setIsWhole] = useState(false);
  if (schools.length === 0) {
    return null;
  }
  const more = schools.length - SHOWN;
  return (
    <Box as="section" aria-labelledby="schools" mt="4">
      <Heading as="h3" size="sm" id="schools" mb="2">
        By school
      </Heading>
      <Rows
        caption="What the plan comes to in each school"
        rows={isWhole ? schools : schools.slice(0, SHOWN)}
        rowKey={({ school }) => school}
        columns={[
          {
            key: "school",
            label: "School",
            cell: ({ school, name }) => <OfSchool run={run} school={school} name={name} />,
          },
          ...KINDS.map(([kind, label]) => ({
            key: kind,
            label,
            width: "23%",
            cell: (school: School) => <Numbers numbers={school[kind]} />,
          })),
        ]}
      />
      {more > 0 && (
        <Button
          size="xs"
          variant="ghost"
          mt="1"
          aria-expanded={isWhole}
          onClick={() => setIsWhole(!isWhole)}
        >
          <Box as="span" aria-hidden>
            {isWhole ? "▾" : "▸"}
          </Box>
          {isWhole ? `Show the first ${SHOWN} only` : `Show ${counted(more, "more school")}`}
        </Button>
      )}
    </Box>
  );
}

/** A school leads to its changes. */
function OfSchool({ run, school, name }: { run: RunDetail; school: string; name: string }) {
  const query = new URLSearchParams({ tab: "changes", school });
  return (
    <Box asChild color="fg.info" textDecoration="underline">
      <Link to={`${HOME}/runs/${run.run_id}?${query}`}>{name}</Link>
    </Box>
  );
}

/** How much of a school goes, as a bar. */
function Share({ numbers: { gone, active } }: { numbers: Numbers }) {
  const width = `${Math.min(100, (100 * gone) / Math.max(1, active))}%`;
  return (
    <Box aria-hidden bg="bg.emphasized" borderRadius="full" height="1.5" maxWidth="10rem" my="1">
      <Box bg="error.solid" borderRadius="full" height="100%" width={width} />
    </Box>
  );
}

function Numbers({ numbers }: { numbers: School["users"] }) {
  const others = SORTS.filter(([sort]) => numbers[sort]).map(
    ([sort, words]) => `${number(numbers[sort])} ${words}`,
  );
  if (numbers.gone === 0 && others.length === 0) {
    return <Text color="fg.muted">–</Text>;
  }
  return (
    <Box>
      {numbers.gone > 0 && (
        <Text fontWeight="semibold">{`${number(numbers.gone)} of ${number(numbers.active)} removed`}</Text>
      )}
      {numbers.gone > 0 && <Share numbers={numbers} />}
      {others.length > 0 && (
        <Text color="fg.muted" fontSize="sm">
          {others.join(", ")}
        </Text>
      )}
    </Box>
  );
}
