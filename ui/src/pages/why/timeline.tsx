/** How a record stands, and what changed it, run by run, newest first. */

import { Badge, Box, Flex, Grid, Stack, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import type { RecordChange, Story } from "../../lib/openapi";
import { Empty, HOME, Time } from "../../lib/ui";
import { capital } from "../../lib/words";
import { Action, Fields, Place } from "../run/fields";
import { kindLabel } from "../../words/records";
import { EMPTY } from "../../words/empty";

/**
 * Show the changes of a record under the runs that made them.
 *
 * @param props.changes Newest first.
 */
export function Timeline({ changes }: { changes: RecordChange[] }) {
  if (changes.length === 0) {
    return <Empty {...EMPTY.unchanged} />;
  }
  return (
    <Stack as="ol" gap="0" listStyleType="none">
      {byRun(changes).map((group, index) => (
        <RunOfChanges key={index} group={group} />
      ))}
    </Stack>
  );
}

function byRun(changes: RecordChange[]) {
  const groups: RecordChange[][] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last && last[0].run_id === change.run_id) {
      last.push(change);
    } else {
      groups.push([change]);
    }
  }
  return groups.map(ownFirst);
}

/** Put what happened to the record itself before what happened to its assignments. */
function ownFirst(group: RecordChange[]) {
  return [...group].sort((one, next) => Number(Boolean(one.other)) - Number(Boolean(next.other)));
}

function RunOfChanges({ group }: { group: RecordChange[] }) {
  const [first] = group;
  const { made_at: at, run_id: runId, requested_by: asked, credited_to: credited } = first;
  return (
    <Box
      as="li"
      position="relative"
      borderInlineStartWidth="2px"
      borderColor="border.emphasized"
      ps="5"
      pb="5"
      _last={{ pb: "0" }}
      _before={{
        content: '""',
        position: "absolute",
        insetInlineStart: "-6px",
        top: "1.5",
        boxSize: "2.5",
        borderRadius: "full",
        bg: "border.info",
      }}
    >
      <Flex columnGap="3" wrap="wrap" align="baseline" mb="1">
        <Text fontWeight="semibold">
          <Time at={at} />
        </Text>
        <RunLink runId={runId} />
        <Text color="fg.muted" fontSize="sm">
          {`started by ${asked}`}
          {credited && `, credited to ${credited}`}
          {first.uploaded_as && `, ${first.uploaded_as}`}
        </Text>
        {first.decision === "approved" && (
          <Text fontSize="sm">
            {`Approved by ${first.decided_by}`}
            {first.decision_reason && `: “${first.decision_reason}”`}
          </Text>
        )}
      </Flex>
      <Box as="ul" listStyleType="none">
        {group.map((change, index) => (
          <Change key={index} change={change} />
        ))}
      </Box>
    </Box>
  );
}

/** A link to the page of a run. */
export function RunLink({ runId }: { runId: string }) {
  return (
    <Box asChild color="fg.info" fontSize="sm" _hover={{ textDecoration: "underline" }}>
      <Link to={`${HOME}/runs/${runId}`}>{`Run ${runId.slice(0, 8)}`}</Link>
    </Box>
  );
}

function Change({
  change: { action, kind, other, fields, reason, file, row },
}: {
  change: RecordChange;
}) {
  return (
    <Grid
      as="li"
      templateColumns={{ base: "minmax(0, 1fr)", md: "8rem minmax(0, 1fr) 22rem" }}
      columnGap="4"
      rowGap="1"
      py="2"
      fontSize="sm"
      overflowWrap="anywhere"
      borderTopWidth="1px"
      borderColor="border"
    >
      <Action action={action} />
      <Box minWidth={0}>
        {other && (
          <Text>
            {`${kindLabel(kind)}: `}
            <Text as="b">{other}</Text>
          </Text>
        )}
        <Fields fields={fields} />
      </Box>
      <Box minWidth={0}>
        <Text>{reason}</Text>
        {file && (
          <Text color="fg.muted">
            <Place file={file} row={row} />
          </Text>
        )}
      </Box>
    </Grid>
  );
}

/** Say whether a record is active. */
export function Status({ record: { status } }: { record: Pick<Story, "status"> }) {
  return (
    <Badge colorPalette={status === "active" ? "success" : "gray"} variant="subtle">
      {capital(status)}
    </Badge>
  );
}

/** Say who keeps a record: the sync, or people. */
export function Managed({ record: { managed } }: { record: Pick<Story, "managed"> }) {
  return <Text as="span">{managed ? "OneRoster" : "manually"}</Text>;
}
