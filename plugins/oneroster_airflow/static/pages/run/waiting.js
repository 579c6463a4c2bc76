/** What is shown of a run that has been asked for and has not begun. */

import { useApi } from "../../lib/api.js";
import { Failure, Loading, Stages, h } from "../../lib/ui.js";
import { DagRunLink } from "./overview.js";
import { doing } from "./watch.js";

const { Box, Flex, Heading, Spinner, Text, VisuallyHidden } = globalThis.ChakraUI;
const { useEffect } = globalThis.React;

/**
 * Wait for a run to begin, and say so.
 *
 * @param {object} props
 * @param {string} props.dagId
 * @param {string} props.dagRunId
 * @param {function(): void} props.onRecorded Called when the run has begun.
 */
export function Waiting({ dagId, dagRunId, onRecorded }) {
  const path = `dag-runs/${encodeURIComponent(dagId)}/${encodeURIComponent(dagRunId)}`;
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
    return problem && !isForgotten ? h(Failure, { problem, retry: reload }) : h(Loading, { height: "12rem" });
  }
  const { dag_run: dagRun } = data;
  return dagRun.state === "failed" ? h(Ended, { dagRun }) : h(Turn, { dagRun });
}

function Turn({ dagRun }) {
  return h(
    Box,
    { borderWidth: "1px", borderColor: "border.emphasized", borderRadius: "8px", p: "4" },
    h(VisuallyHidden, { "aria-live": "polite", role: "status" }, doing(dagRun)),
    h(
      Flex,
      { gap: "3", align: "center", mb: "2" },
      h(Spinner, { size: "sm" }),
      h(Heading, { as: "h2", size: "md" }, dagRun.state === "queued" ? "It waits its turn" : "It begins"),
    ),
    h(
      Text,
      { color: "fg.muted", fontSize: "sm", mb: "4" },
      "A site is synchronized once at a time. This run begins when the one before it has ended and Airflow has a free slot; this page goes on by itself. ",
      h(DagRunLink, { dagRun }, "See it in Airflow"),
    ),
    h(Stages, { dagRun }),
  );
}

function Ended({ dagRun }) {
  return h(
    Box,
    { borderWidth: "1px", borderColor: "error.emphasized", borderRadius: "8px", p: "4" },
    h(Heading, { as: "h2", size: "md", mb: "2" }, "It ended before it began"),
    h(
      Text,
      { color: "fg.muted", fontSize: "sm", mb: "4" },
      "Airflow ended this DAG run before the sync could write anything down; nothing was changed. The log of the task extract tells why. ",
      h(DagRunLink, { dagRun }, "See it in Airflow"),
    ),
    h(Stages, { dagRun }),
  );
}
