/** The page of one run. */

import { siteOfDag } from "../../lib/allowed.js";
import { Empty, Failure, HOME, Loading, Page, h } from "../../lib/ui.js";
import { utc } from "../../lib/words.js";
import { Story } from "./story.js";
import { Waiting } from "./waiting.js";
import { useRun } from "./watch.js";

const { Box, Button } = globalThis.ChakraUI;
const { Link, useParams, useSearchParams } = globalThis.ReactRouterDOM;
const { useCallback, useState } = globalThis.React;

/** The height of the site's navigation, whose place is held until the run tells its site. */
const NAVIGATION = { base: "86px", md: "60px" };

/**
 * Show the run that the address names: its story once it has begun, until then that it waits.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Run({ may }) {
  const { id } = useParams();
  return h(RunPage, { key: id, id, may });
}

function RunPage({ id, may }) {
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
    const title = `Synchronization of ${utc(run.started_at, { seconds: false })}`;
    return h(Page, { title, site: run.site, may, tab: "runs" }, h(Story, { run, may, reload }));
  }
  if (!hasBegun) {
    return h(
      Page,
      { title: "Synchronization", site: siteOfDag(dagId), may, tab: "runs" },
      h(Waiting, { dagId, dagRunId, onRecorded: begin }),
    );
  }
  const frame = h(Page, { title: "Synchronization" }, h(NotYet, { id, problem, reload }));
  return h(Box, { pt: problem ? "0" : NAVIGATION }, frame);
}

function NotYet({ id, problem, reload }) {
  if (!problem) {
    return h(Loading, { height: "24rem" });
  }
  return problem.status === 404 ? h(Unknown, { id }) : h(Failure, { problem, retry: reload });
}

function withoutDagRun(params) {
  const others = new URLSearchParams(params);
  others.delete("dag_id");
  others.delete("dag_run_id");
  return others;
}

function Unknown({ id }) {
  return h(
    Empty,
    { title: "There is no such run" },
    `No synchronization has the id ${id}. The address may be cut off, or the run is of another Airflow.`,
    h("br"),
    h(
      Button,
      { asChild: true, size: "sm", variant: "outline", mt: "4" },
      h(Link, { to: HOME }, "Recent synchronizations"),
    ),
  );
}
