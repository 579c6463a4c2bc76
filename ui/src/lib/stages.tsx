/** The stages of a run, as Airflow runs them. */

import { Box, Flex, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import type { DagRun, Stage } from "./openapi";
import { NOT_STARTED, STAGE_STATES } from "../words/runs";

const FAULTS = new Set(["failed", "upstream_failed"]);

/** What a stage did that is marked as failed because an earlier one was. */
const FOLLOWING: Record<string, string> = { record: "recorded the failure" };

/** The six stages of a run, and how far it is. */
export function Stages({ dagRun }: { dagRun: DagRun }) {
  const broken = dagRun.stages.findIndex(({ state }) => state === "failed");
  return (
    <Flex as="ol" gap="2" wrap="wrap" listStyleType="none">
      {dagRun.stages.map((stage, index) => (
        <Stage
          key={stage.stage}
          stage={stage}
          dagRun={dagRun}
          number={index + 1}
          isAfter={broken >= 0 && index > broken}
        />
      ))}
    </Flex>
  );
}

/**
 * One stage.
 *
 * @param props.isAfter Whether a stage before it failed: then it has no fault of its own, and one red
 *   mark stands for one cause.
 */
function Stage({
  stage,
  dagRun,
  number,
  isAfter,
}: {
  stage: Stage;
  dagRun: DagRun;
  number: number;
  isAfter: boolean;
}) {
  const isFollowing = isAfter && FAULTS.has(stage.state ?? "");
  const state = isFollowing
    ? (FOLLOWING[stage.stage] ?? NOT_STARTED)
    : (STAGE_STATES[stage.state ?? ""] ?? NOT_STARTED);
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
        borderTopColor={stage.state && !isFollowing ? `${stage.state}.solid` : "border.emphasized"}
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
