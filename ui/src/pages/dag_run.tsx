/** The tab at a DAG run in Airflow: the run's story in place. */

import { Box, Button } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import { Toasts } from "../lib/toasts";
import { mayOf, siteOfDag } from "../lib/allowed";
import { useApi } from "../lib/api";
import { Empty, Failure, HOME, Loading, type May } from "../lib/ui";
import { Story } from "./run/story";
import { useRun, Waiting } from "./run/watch";
import { EMPTY } from "../words/empty";

/**
 * Show what a DAG run did to the roster, or say that it is none of ours.
 *
 * @param props.runId Of the DAG run.
 */
export function DagRunTab({ dagId, runId }: { dagId: string; runId: string }) {
  const path = `dag-runs/${encodeURIComponent(dagId)}/${encodeURIComponent(runId)}` as const;
  return (
    <Box p="2">
      <Toasts />
      <Found key={path} path={path} dagId={dagId} runId={runId} />
    </Box>
  );
}

function Found({
  path,
  dagId,
  runId,
}: {
  path: `dag-runs/${string}/${string}`;
  dagId: string;
  runId: string;
}) {
  const me = useApi("me", { params: { site: siteOfDag(dagId) } });
  const found = useApi(path);
  const problem = found.problem ?? me.problem;
  if (found.problem?.code === "dag_run.foreign") {
    return <Foreign />;
  }
  if (!found.data || !me.data) {
    const retry = () => [found, me].forEach(({ reload }) => reload());
    return problem ? <Failure problem={problem} retry={retry} /> : <Loading height="24rem" />;
  }
  if (!found.data.recorded) {
    return <Waiting dagId={dagId} dagRunId={runId} onRecorded={found.reload} />;
  }
  return <Recorded id={found.data.run_id} may={mayOf(me.data)} />;
}

function Recorded({ id, may }: { id: string; may: May }) {
  const { run, problem, reload } = useRun(id);
  if (!run) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="24rem" />;
  }
  const extra = (
    <Button asChild size="sm" variant="outline">
      <Link to={`${HOME}/runs/${id}`}>Open in OneRoster</Link>
    </Button>
  );
  return <Story run={run} may={may} reload={reload} extra={extra} inAirflow />;
}

function Foreign() {
  return (
    <Empty title={EMPTY.dagRun.title}>
      {EMPTY.dagRun.text}
      <br />
      <Button asChild size="sm" variant="outline" mt="4">
        <Link to={HOME}>Go to OneRoster</Link>
      </Button>
    </Empty>
  );
}
