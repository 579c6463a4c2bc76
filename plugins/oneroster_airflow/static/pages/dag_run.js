/** The tab at a DAG run in Airflow: the run's story in place. */

import { mayOf, siteOfDag } from "../lib/allowed.js";
import { useApi } from "../lib/api.js";
import { Empty, Failure, HOME, Loading, h } from "../lib/ui.js";
import { Story } from "./run/story.js";
import { Waiting } from "./run/waiting.js";
import { useRun } from "./run/watch.js";

const { Box, Button } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

/**
 * Show what a DAG run did to the roster, or say that it is none of ours.
 *
 * @param {object} props
 * @param {string} props.dagId
 * @param {string} props.runId Of the DAG run.
 */
export function DagRunTab({ dagId, runId }) {
  const path = `dag-runs/${encodeURIComponent(dagId)}/${encodeURIComponent(runId)}`;
  return h(Box, { p: "2" }, h(Found, { key: path, path, dagId, runId }));
}

function Found({ path, dagId, runId }) {
  const me = useApi("me", { params: { site: siteOfDag(dagId) } });
  const found = useApi(path);
  const problem = found.problem ?? me.problem;
  if (found.problem?.code === "dag_run.foreign") {
    return h(Foreign, null);
  }
  if (!found.data || !me.data) {
    const retry = () => [found, me].forEach(({ reload }) => reload());
    return problem ? h(Failure, { problem, retry }) : h(Loading, { height: "24rem" });
  }
  if (!found.data.recorded) {
    return h(Waiting, { dagId, dagRunId: runId, onRecorded: found.reload });
  }
  return h(Recorded, { id: found.data.run_id, may: mayOf(me.data) });
}

function Recorded({ id, may }) {
  const { run, problem, reload } = useRun(id);
  if (!run) {
    return problem
      ? h(Failure, { problem, retry: reload })
      : h(Loading, { height: "24rem" });
  }
  const extra = h(
    Button,
    { asChild: true, size: "sm", variant: "outline" },
    h(Link, { to: `${HOME}/runs/${id}` }, "Open in OneRoster"),
  );
  return h(Story, { run, may, reload, extra, inAirflow: true });
}

function Foreign() {
  return h(
    Empty,
    { title: "This DAG run is no OneRoster sync" },
    "Only the DAGs oneroster_sync__… and oneroster_upload__… synchronize a site.",
    h("br"),
    h(
      Button,
      { asChild: true, size: "sm", variant: "outline", mt: "4" },
      h(Link, { to: HOME }, "Go to OneRoster"),
    ),
  );
}
