/** The page of one run, its tabs, and the messages on it. */

import { Alert, Badge, Box, Button, CloseButton, Tabs, VisuallyHidden } from "@chakra-ui/react";
import { type ReactNode, useCallback, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router-dom";
import { inSelected } from "../../lib/time";
import { siteOfDag } from "../../lib/allowed";
import type { Problem } from "../../lib/api";
import type { RunDetail } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, type May, Page } from "../../lib/ui";
import { outcomeLabel } from "../../lib/words";
import { Story } from "./story";
import { doing, isUnderWay, useRun, Waiting } from "./watch";
import { EMPTY } from "../../words/empty";

/** Nothing has this id, or it is none: an address that was cut off. */
const NO_SUCH_RUN = new Set([404, 422]);

/** The height of the site's navigation, whose place is held until the run tells its site. */
const NAVIGATION = { base: "105px", md: "108px" };

/**
 * Show the run that the address names: its story once it has begun, until then that it waits.
 *
 * @param props.may What the viewer may do.
 */
export function Run({ may }: { may: May }) {
  const { id = "" } = useParams();
  return <RunPage key={id} id={id} may={may} />;
}

function RunPage({ id, may }: { id: string; may: May }) {
  const [params, setParams] = useSearchParams();
  const dagId = params.get("dag_id");
  const dagRunId = params.get("dag_run_id");
  const [hasBegun, setHasBegun] = useState(!(dagId && dagRunId));
  const { run, problem, reload } = useRun(hasBegun ? id : null);
  const begin = useCallback(() => {
    setHasBegun(true);
    setParams(withoutDagRun, { replace: true });
  }, [setParams]);
  if (run) {
    const what = run.is_preview ? "Check" : "Synchronization";
    const at = inSelected(run.started_at);
    const title = `${what} of ${at}`;
    return (
      <Page
        title={title}
        site={run.site}
        may={may}
        tab="runs"
        guide="held-run.md"
        crumb={{ label: "Run", text: at }}
      >
        <Story run={run} may={may} reload={reload} />
      </Page>
    );
  }
  if (!hasBegun) {
    return (
      <Page title="Synchronization" site={siteOfDag(dagId ?? "")} may={may} tab="runs">
        <Waiting dagId={dagId ?? ""} dagRunId={dagRunId ?? ""} onRecorded={begin} />
      </Page>
    );
  }
  const frame = (
    <Page title="Synchronization">
      <NotYet id={id} problem={problem} reload={reload} />
    </Page>
  );
  return <Box pt={problem ? "0" : NAVIGATION}>{frame}</Box>;
}

function NotYet({
  id,
  problem,
  reload,
}: {
  id: string;
  problem: Problem | null;
  reload: () => void;
}) {
  if (!problem) {
    return <Loading height="24rem" />;
  }
  return problem.status !== null && NO_SUCH_RUN.has(problem.status) ? (
    <Unknown id={id} />
  ) : (
    <Failure problem={problem} retry={reload} />
  );
}

function withoutDagRun(params: URLSearchParams) {
  const others = new URLSearchParams(params);
  others.delete("dag_id");
  others.delete("dag_run_id");
  return others;
}

function Unknown({ id }: { id: string }) {
  return (
    <Empty title={EMPTY.run.title}>
      {`No synchronization has the id ${id}. The address may be cut off, or the run is of another Airflow.`}
      <br />
      <Button asChild size="sm" variant="outline" mt="4">
        <Link to={HOME}>Recent synchronizations</Link>
      </Button>
    </Empty>
  );
}

/** One of the tabs of a run. */
export interface RunTab {
  value: string;
  label: string;
  count?: number | null;
  hidden?: boolean;
  body: ReactNode;
}

/**
 * Show tabs that look like those of Airflow's own pages.
 *
 * @param props.tabs The first is open unless the address names another.
 */
export function RunTabs({ tabs }: { tabs: RunTab[] }) {
  const [params, setParams] = useSearchParams();
  const shown = tabs.filter(({ hidden }) => !hidden);
  const asked = params.get("tab");
  const value = shown.some((tab) => tab.value === asked) ? asked : shown[0].value;
  function open(next: string) {
    setParams(
      (old) => {
        const changed = new URLSearchParams(old);
        changed.set("tab", next);
        return changed;
      },
      { replace: true },
    );
  }
  return (
    <Tabs.Root
      value={value}
      onValueChange={(details) => open(details.value)}
      lazyMount
      unmountOnExit
      variant="plain"
    >
      <Tabs.List
        aria-label="Parts of the run"
        borderBottomWidth="1px"
        borderColor="border.emphasized"
        overflowX="auto"
        overflowY="hidden"
        width="100%"
        gap="0"
      >
        {shown.map((tab) => (
          <Trigger key={tab.value} tab={tab} />
        ))}
      </Tabs.List>
      {shown.map((tab) => (
        <Tabs.Content key={tab.value} value={tab.value} pt="4">
          <Box>{tab.body}</Box>
        </Tabs.Content>
      ))}
    </Tabs.Root>
  );
}

function Trigger({ tab: { value, label, count } }: { tab: RunTab }) {
  return (
    <Tabs.Trigger
      value={value}
      color="fg.muted"
      flex="none"
      fontWeight="bold"
      height="40px"
      px={{ base: "1.5", md: "4" }}
      borderRadius="0"
      borderBottomWidth="3px"
      borderColor="transparent"
      _selected={{ borderColor: "border.info", color: "fg", bg: "transparent" }}
      _hover={{ color: "fg" }}
    >
      {label}
      {count ? (
        <Badge size="xs" variant="subtle" hideBelow="md">
          {count.toLocaleString("en")}
        </Badge>
      ) : null}
    </Tabs.Trigger>
  );
}

/** Tell a screen reader what changes: the stage, then the outcome. */
export function Announcement({ run }: { run: RunDetail }) {
  const words = isUnderWay(run)
    ? doing(run.dag_run)
    : `The run ended: ${outcomeLabel(run.outcome)}. ${run.sentence}`;
  return (
    <VisuallyHidden aria-live="polite" role="status">
      {words}
    </VisuallyHidden>
  );
}

/** What came of what was just done. */
export interface Answer {
  text: string;
  isBad?: boolean;
  /** It is no news any more once the plan has been applied. */
  isPassing?: boolean;
}

/** Say what came of what was just done, until it is closed. */
export function Notice({ notice, close }: { notice: Answer | null; close: () => void }) {
  return (
    <Box role={notice?.isBad ? "alert" : "status"}>
      {notice && (
        <Alert.Root status={notice.isBad ? "warning" : "success"} alignItems="center" mb="4" py="2">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Description>{notice.text}</Alert.Description>
          </Alert.Content>
          <CloseButton size="sm" onClick={close} aria-label="Close this message" />
        </Alert.Root>
      )}
    </Box>
  );
}
