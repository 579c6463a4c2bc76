/** Follows a run: whether it is under way, how long it takes, and what is shown until it begins. */

import { Box, Flex, Heading, Spinner, Text, VisuallyHidden } from "@chakra-ui/react";
import { useEffect, useState } from "react";
import { useApi } from "../../lib/api";
import type { DagRun, RunDetail } from "../../lib/openapi";
import { Stages } from "../../lib/stages";
import { Failure, Loading } from "../../lib/ui";
import { duration } from "../../lib/words";
import { DagRunLink } from "./overview";
import { STAGE_STATES } from "../../words/runs";
import { SHARED } from "../../words/shared";

const MOVING_MS = 1000;

const WAITING_MS = 5000;

const REMOVALS_FOLLOW_MS = 120000;

const DONE = new Set(["success", "failed"]);

/**
 * Return whether a run still moves.
 *
 * A held run stands still until somebody decides; approved, it is under way until its outcome is
 * another one.
 */
export function isUnderWay(run: RunDetail) {
  if (run.outcome === null) {
    return true;
  }
  if (run.outcome === "held") {
    return run.decision?.decision === "approved";
  }
  return run.dag_run !== null && !DONE.has(run.dag_run.state);
}

/** Say how long a run worked, and how long it waited for a decision, where it did. */
export function durationOf({
  work_s: work,
  waited_s: waited,
  held_at: heldAt,
  outcome,
}: RunDetail) {
  if (heldAt === null) {
    return duration(work);
  }
  const verb = outcome === "held" ? "waiting" : "waited";
  return `Work ${duration(work)} · ${verb} ${duration(waited)}`;
}

/** Say in a few words what a DAG run does right now. */
export function doing(dagRun: DagRun | null) {
  if (!dagRun) {
    return "";
  }
  if (dagRun.state === "queued") {
    return "Queued.";
  }
  const now = dagRun.stages.find(({ state }) => state !== null && !ENDED.has(state));
  if (!now) {
    return "";
  }
  const words = STAGE_STATES[now.state ?? ""] ?? now.state;
  return `Stage ${now.stage}: ${words}.`;
}

const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

/**
 * Read a run, again each second while it moves, and now and then while somebody may decide about it.
 *
 * @param id Null reads nothing.
 */
export function useRun(id: string | null) {
  const [every, setEvery] = useState<number | null>(null);
  const path = id === null ? null : (`runs/${encodeURIComponent(id)}` as const);
  const { data, problem, reload } = useApi(path, { every });
  const pace = data && paceOf(data);
  useEffect(() => {
    setEvery(pace);
  }, [pace]);
  return { run: data, problem, reload };
}

/** Return after how many milliseconds a run has to be asked about again; null when it has ended. */
function paceOf(run: RunDetail) {
  if (isUnderWay(run)) {
    return MOVING_MS;
  }
  return run.outcome === "held" || awaitsRemovals(run) ? WAITING_MS : null;
}

/** Return whether the run that brings the removals of this one must be about to begin. */
function awaitsRemovals({ withheld, applied_at: applied, removals_run: found }: RunDetail) {
  const isOpen = withheld?.why === "removals_wait" && applied !== null && found === null;
  return isOpen && Math.abs(Date.now() - Date.parse(applied)) < REMOVALS_FOLLOW_MS;
}

/**
 * Wait for a run to begin, and say so.
 *
 * @param props.onRecorded Called when the run has begun.
 */
export function Waiting({
  dagId,
  dagRunId,
  onRecorded,
}: {
  dagId: string;
  dagRunId: string;
  onRecorded: () => void;
}) {
  const path = `dag-runs/${encodeURIComponent(dagId)}/${encodeURIComponent(dagRunId)}` as const;
  const { data, problem, reload } = useApi(path, { every: 1000 });
  const hasBegun = data?.recorded ?? false;
  // Airflow may have forgotten the DAG run; the run's own record, if there is one, stays.
  const isForgotten = problem?.status === 404;
  useEffect(() => {
    if (hasBegun || isForgotten) {
      onRecorded();
    }
  }, [hasBegun, isForgotten, onRecorded]);
  if (!data) {
    return problem && !isForgotten ? (
      <Failure problem={problem} retry={reload} />
    ) : (
      <Loading height="12rem" />
    );
  }
  const { dag_run: dagRun } = data;
  return dagRun.state === "failed" ? <Ended dagRun={dagRun} /> : <Turn dagRun={dagRun} />;
}

function Turn({ dagRun }: { dagRun: DagRun }) {
  return (
    <Box borderWidth="1px" borderColor="border.emphasized" borderRadius="8px" p="4">
      <VisuallyHidden aria-live="polite" role="status">
        {doing(dagRun)}
      </VisuallyHidden>
      <Flex gap="3" align="center" mb="2">
        <Spinner size="sm" />
        <Heading as="h2" size="md">
          {dagRun.state === "queued" ? "Queued" : "Starting"}
        </Heading>
      </Flex>
      <Text color="fg.muted" fontSize="sm" mb="4">
        A site is synchronized once at a time. This run begins when the one before it has ended and
        Airflow has a free slot; this page goes on by itself.{" "}
        <DagRunLink dagRun={dagRun}>{SHARED.seeInAirflow}</DagRunLink>
      </Text>
      <Stages dagRun={dagRun} />
    </Box>
  );
}

function Ended({ dagRun }: { dagRun: DagRun }) {
  return (
    <Box borderWidth="1px" borderColor="error.emphasized" borderRadius="8px" p="4">
      <Heading as="h2" size="md" mb="2">
        Failed to start
      </Heading>
      <Text color="fg.muted" fontSize="sm" mb="4">
        Airflow ended this DAG run before the sync could write anything down; nothing was changed.
        The log of the task extract shows the reason.{" "}
        <DagRunLink dagRun={dagRun}>{SHARED.seeInAirflow}</DagRunLink>
      </Text>
      <Stages dagRun={dagRun} />
    </Box>
  );
}
