/** The stages of a run, as Airflow runs them. */

const { Box, Flex, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { createElement: h } = globalThis.React;

const STATES = {
  success: "done",
  running: "running",
  failed: "failed",
  skipped: "skipped",
  queued: "queued",
  scheduled: "queued",
  up_for_retry: "waits to be tried again",
  upstream_failed: "not begun",
  awaiting_input: "waits for a decision",
};

/**
 * The six stages of a run, and how far it is.
 *
 * @param {object} props
 * @param {object} props.dagRun
 */
export function Stages({ dagRun }) {
  return h(
    Flex,
    { as: "ol", gap: "2", wrap: "wrap", listStyleType: "none" },
    dagRun.stages.map((stage, index) =>
      h(Stage, { key: stage.stage, stage, dagRun, number: index + 1 }),
    ),
  );
}

function Stage({ stage, dagRun, number }) {
  const state = STATES[stage.state] ?? "not begun";
  const to = `/dags/${encodeURIComponent(dagRun.dag_id)}/runs/${encodeURIComponent(dagRun.dag_run_id)}/tasks/${stage.stage}`;
  const tried = stage.try_number > 1 ? `, try ${stage.try_number}` : "";
  return h(
    Box,
    { as: "li", flex: "1 1 8rem", minWidth: "8rem" },
    h(
      Box,
      {
        asChild: true,
        display: "block",
        borderWidth: "1px",
        borderColor: "border.emphasized",
        borderTopWidth: "4px",
        borderTopColor: stage.state ? `${stage.state}.solid` : "border.emphasized",
        borderRadius: "md",
        px: "3",
        py: "2",
        _hover: { bg: "bg.muted" },
      },
      h(
        Link,
        { to, title: `The log of ${stage.stage} in Airflow` },
        h(Text, { fontWeight: "bold", fontSize: "sm" }, `${number}. ${stage.stage}`),
        h(Text, { color: "fg.muted", fontSize: "xs" }, `${state}${tried}`),
      ),
    ),
  );
}
