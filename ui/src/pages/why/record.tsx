/** The history of one person or course, newest first. */

import { Alert, Box, Button, Code, Flex, Stack, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router-dom";
import { type Problem, useApi } from "../../lib/api";
import type { CurrentRecord, RecordFinding, Story } from "../../lib/openapi";
import { counted } from "../../lib/words";
import { Card, Empty, Failure, HOME, Loading, type May, Page, Time } from "../../lib/ui";
import { Place } from "../run/fields";
import { Rows } from "../run/lists";
import { Hash } from "../run/overview";
import { Reactivate } from "./reactivate";
import { kindLabel } from "../../words/records";
import { Managed, RunLink, Status, Timeline } from "./timeline";
import { EMPTY, SEARCH } from "../../words/empty";

/**
 * Show what a record is now, and each change that made it so.
 *
 * @param props.may What the viewer may do.
 */
export function Record({ may }: { may: May }) {
  const { site = "", kind = "", id = "" } = useParams();
  const path =
    `sites/${encodeURIComponent(site)}/records/${encodeURIComponent(kind)}/${encodeURIComponent(id)}` as const;
  return <RecordPage key={path} path={path} site={site} may={may} />;
}

function RecordPage({
  path,
  site,
  may,
}: {
  path: `sites/${string}/records/${string}/${string}`;
  site: string;
  may: May;
}) {
  const { data: record, problem, reload } = useApi(path);
  const frame = { site, may, tab: "why" };
  if (!record) {
    return (
      <Page {...frame} title={SEARCH}>
        {problem ? (
          <NotThere problem={problem} reload={reload} site={site} />
        ) : (
          <Loading height="24rem" />
        )}
      </Page>
    );
  }
  const again = (
    <Button asChild size="sm" variant="outline">
      <Link to={`${HOME}/sites/${encodeURIComponent(site)}/why`}>Another search</Link>
    </Button>
  );
  return (
    <Page
      {...frame}
      title={record.label || kindLabel(record.kind)}
      crumb={{ label: kindLabel(record.kind), text: record.label || record.sourced_id || "" }}
      actions={again}
    >
      <Stack gap="4">
        <Standing record={record} site={site} may={may} />
        <Current record={record} site={site} />
        <Card
          title="What changed"
          hint="Newest first, with the run and the row behind each change."
        >
          <Timeline changes={record.changes} />
        </Card>
        <Card
          title="Findings about its rows"
          hint="What the runs found wrong with the rows of this record."
        >
          <Findings findings={record.findings} />
        </Card>
      </Stack>
    </Page>
  );
}

function NotThere({
  problem,
  reload,
  site,
}: {
  problem: Problem;
  reload: () => void;
  site: string;
}) {
  if (problem.status !== 404) {
    return <Failure problem={problem} retry={reload} />;
  }
  return (
    <Empty title={EMPTY.record.title}>
      {EMPTY.record.text}{" "}
      <Box asChild color="fg.info" textDecoration="underline">
        <Link to={`${HOME}/sites/${encodeURIComponent(site)}/why`}>Search for it</Link>
      </Box>
      .
    </Empty>
  );
}

/** The courses of a person, or the people of a course, as they are now. */
function Current({ record, site }: { record: Story; site: string }) {
  const isUser = record.kind === "user";
  const { current, current_total: total } = record;
  const more = total - current.length;
  return (
    <Card title={isUser ? "Courses now" : "Staff now"}>
      {current.length === 0 ? (
        <Text color="fg.muted" fontSize="sm">
          {isUser
            ? "No courses are assigned to this person."
            : "No staff are assigned to this course."}
        </Text>
      ) : (
        <Flex as="ul" wrap="wrap" columnGap="5" rowGap="1" listStyleType="none" fontSize="sm">
          {current.map((one) => (
            <li key={one.id}>
              <Other record={one} site={site} />
            </li>
          ))}
          {more > 0 && <li>{`and ${counted(more, "more record")}`}</li>}
        </Flex>
      )}
    </Card>
  );
}

function Other({
  record: { kind, id, label, sourced_id },
  site,
}: {
  record: CurrentRecord;
  site: string;
}) {
  return (
    <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
      <Link to={`${HOME}/sites/${encodeURIComponent(site)}/why/${kind}/${id}`}>
        {label ?? sourced_id ?? kindLabel(kind)}
      </Link>
    </Box>
  );
}

function Standing({ record, site, may }: { record: Story; site: string; may: May }) {
  const known: [string, ReactNode][] = [
    ["Kind", kindLabel(record.kind)],
    ["Status", <Status record={record} />],
    ["Managed by", <Managed record={record} />],
    [
      "sourcedId",
      record.sourced_id && <Hash value={record.sourced_id} label="the sourcedId" length={60} />,
    ],
    ["E-mail", record.email],
    ["Role", record.role],
    [record.schools.length > 1 ? "Schools" : "School", record.schools.join(", ")],
    ["In the roster since", record.created_at && <Time at={record.created_at} />],
  ];
  const facts = known.filter(([, value]) => value);
  return (
    <Box borderWidth="1px" borderColor="border.emphasized" borderRadius="8px" p="3">
      <Flex gap="3" justify="space-between" align="flex-start" wrap="wrap" mb="3">
        <Text fontSize="md" flex="1 1 20rem" overflowWrap="anywhere">
          {record.sentence}
        </Text>
        {record.undoes && record.sourced_id && may.administer && !may.archivedAt && (
          <Reactivate
            key={record.undoes}
            site={site}
            runId={record.undoes}
            sourcedId={record.sourced_id}
            isUser={record.kind === "user"}
          />
        )}
      </Flex>
      <Flex as="dl" wrap="wrap" columnGap="8" rowGap="3">
        {facts.map(([label, value]) => (
          <Box key={label} minWidth={0}>
            <Text as="dt" color="fg.muted" fontSize="xs" fontWeight="bold">
              {label}
            </Text>
            <Box as="dd" fontSize="sm" m="0" overflowWrap="anywhere">
              {value}
            </Box>
          </Box>
        ))}
      </Flex>
      {record.protected && (
        <Alert.Root status="info" mt="3" size="sm">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>The sync does not change this record</Alert.Title>
            <Alert.Description>{record.protected}</Alert.Description>
          </Alert.Content>
        </Alert.Root>
      )}
    </Box>
  );
}

function Findings({ findings }: { findings: RecordFinding[] }) {
  if (findings.length === 0) {
    return <Empty {...EMPTY.recordFindings} />;
  }
  return (
    <Rows
      caption="Findings about the rows of this record"
      rows={findings}
      rowKey={(_finding, index) => index}
      columns={[
        { key: "at", label: "When", width: "12.5rem", cell: (row) => <When row={row} /> },
        { key: "where", label: "Where", width: "16rem", cell: (row) => <Where row={row} /> },
        {
          key: "meaning",
          label: "What was wrong",
          cell: ({ meaning, expected }) => (
            <Box>
              {meaning}
              {expected && <Text color="fg.muted" fontSize="sm">{`Expected: ${expected}`}</Text>}
            </Box>
          ),
        },
        { key: "hint", label: "What to do", width: "24%", cell: ({ hint }) => hint },
        {
          key: "code",
          label: "Code",
          width: "15rem",
          cell: ({ code }) => (
            <Code size="sm" variant="surface">
              {code}
            </Code>
          ),
        },
      ]}
    />
  );
}

function When({ row: { started_at: at, run_id: runId } }: { row: RecordFinding }) {
  return (
    <Box>
      <Time at={at} />
      <Box>
        <RunLink runId={runId} />
      </Box>
    </Box>
  );
}

function Where({ row: { file, row, column } }: { row: RecordFinding }) {
  return (
    <Box>
      <Place file={file} row={row} />
      {column && <Text color="fg.muted" fontSize="sm">{`column ${column}`}</Text>}
    </Box>
  );
}
