/** The stages of a run, as Airflow runs them. */

import { Box, Flex, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import type { DagRun, Stage } from "./openapi";

const STATES: Record<string, string> = {
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

/** The six stages of a run, and how far it is. */
export function Stages({ dagRun }: { dagRun: DagRun }) {
  return (
    <Flex as="ol" gap="2" wrap="wrap" listStyleType="none">
      {dagRun.stages.map((stage, index) => (
        <Stage key={stage.stage} stage={stage} dagRun={dagRun} number={index + 1} />
      ))}
    </Flex>
  );
}

function Stage({ stage, dagRun, number }: { stage: Stage; dagRun: DagRun; number: number }) {
  const state = STATES[stage.state ?? ""] ?? "not begun";
  const to = `/dags/${encodeURIComponent(dagRun.dag_id)}/runs/${encodeURIComponent(dagRun.dag_run_id)}/tasks/${stage.stage}`;
  const tried = stage.try_number > 1 ? `, try ${stage.try_number}` : "";
  return (
    <Box as="li" flex="1 1 8rem" minWidth="8rem">
      <Box
        asChild
        display="block"
        borderWidth="1px"
        borderColor="border.emphasized"
        borderTopWidth="4px"
        borderTopColor={stage.state ? `${stage.state}.solid` : "border.emphasized"}
        borderRadius="md"
        px="3"
        py="2"
        _hover={{ bg: "bg.muted" }}
      >
        <Link to={to} title={`The log of ${stage.stage} in Airflow`}>
          <Text fontWeight="bold" fontSize="sm">{`${number}. ${stage.stage}`}</Text>
          <Text color="fg.muted" fontSize="xs">{`${state}${tried}`}</Text>
        </Link>
      </Box>
    </Box>
  );
}
