/** How many records were active after each applied run, as a line with the runs as marks, and as a table. */

import { Box, Flex, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";
import { useApi } from "../../lib/api";
import { Disclosure } from "../../lib/dialogs";
import type { RosterPoint, SchoolSize } from "../../lib/openapi";
import { Card, Empty, Failure, HOME, Loading, Time } from "../../lib/ui";
import { counted, number, outcomeLabel } from "../../lib/words";
import { Choice, Rows } from "../run/lists";
import { type Kind, KINDS } from "../../words/records";
import { place, type Placed, stepsOf, topOf } from "./line";
import { EMPTY } from "../../words/empty";

const HEIGHT = 160;

const CHOICES = KINDS.map(([value, label]) => ({
  value,
  label: value === "users" ? "Active users" : label,
}));

/** Show how the roster of a site, or the users of one school, grew and shrank. */
export function RosterOverTime({ site }: { site: string }) {
  const [kind, setKind] = useState<Kind>("users");
  const [school, setSchool] = useState("");
  const { data, problem, reload, loading } = useApi(`sites/${site}/roster-history`, {
    params: { school: school || undefined },
  });
  const shown = school ? "users" : kind;
  return (
    <Card
      title="Roster over time"
      hint="After each applied run. Square marks are undos, hollow ones are rebuilt from the audit."
      actions={
        <Flex gap="2" wrap="wrap">
          <Choice
            label="What is counted"
            value={shown}
            onChange={(value) => {
              setKind(value as Kind);
              setSchool("");
            }}
            choices={CHOICES}
          />
          {data && data.schools.length > 1 && (
            <Choice
              label="School"
              value={school}
              onChange={setSchool}
              choices={choicesOf(data.schools)}
            />
          )}
        </Flex>
      }
    >
      {problem && <Failure problem={problem} retry={reload} />}
      {!data && !problem && <Loading height={`${HEIGHT}px`} />}
      {data && data.points.length === 0 && <Empty {...(school ? EMPTY.school : EMPTY.roster)} />}
      {data && data.points.length > 0 && (
        <Box opacity={loading ? 0.6 : 1}>
          <Chart points={data.points} kind={shown} />
          <AsTable points={data.points} isOfSchool={school !== ""} />
        </Box>
      )}
    </Card>
  );
}

function choicesOf(schools: SchoolSize[]) {
  return [
    { value: "", label: "All schools" },
    ...schools.map(({ sourced_id: value, name, users }) => ({
      value,
      label: `${name} (${counted(users, "user")})`,
    })),
  ];
}

function Chart({ points, kind }: { points: RosterPoint[]; kind: Kind }) {
  const placed = place(points, kind);
  const top = topOf(placed.map(({ value }) => value));
  return (
    <Box>
      <Flex gap="2">
        <Flex
          direction="column"
          justify="space-between"
          height={`${HEIGHT}px`}
          fontSize="xs"
          color="fg.muted"
          textAlign="end"
          minWidth="3rem"
          aria-hidden
        >
          <span>{number(top)}</span>
          <span>0</span>
        </Flex>
        <Box
          position="relative"
          flex="1"
          height={`${HEIGHT}px`}
          borderBottomWidth="1px"
          borderTopWidth="1px"
          borderColor="border.emphasized"
          role="img"
          aria-label={inWords(placed, kind)}
          mx="2"
        >
          <svg
            viewBox="0 0 100 100"
            preserveAspectRatio="none"
            width="100%"
            height="100%"
            style={{ display: "block", overflow: "visible" }}
            aria-hidden
          >
            <polyline
              points={stepsOf(placed)}
              fill="none"
              stroke="var(--chakra-colors-blue-solid)"
              strokeWidth="2"
              vectorEffect="non-scaling-stroke"
            />
          </svg>
          {placed.map((one) => (
            <Mark key={one.point.run_id} placed={one} kind={kind} />
          ))}
        </Box>
      </Flex>
      <Flex justify="space-between" fontSize="xs" color="fg.muted" ps="3.5rem" mt="1" aria-hidden>
        <span>{points[0].at.slice(0, 10)}</span>
        {points.length > 1 && <span>{points[points.length - 1].at.slice(0, 10)}</span>}
      </Flex>
    </Box>
  );
}

function Mark({ placed: { point, value, x, y }, kind }: { placed: Placed; kind: Kind }) {
  return (
    <Box
      aria-hidden
      title={`${point.at.slice(0, 16).replace("T", " ")} UTC: ${number(value)} ${kind}, ${counted(point.changes, "change")}`}
      position="absolute"
      boxSize="9px"
      borderRadius={point.is_undo ? "0" : "full"}
      borderWidth="2px"
      borderColor="blue.solid"
      bg={point.is_rebuilt ? "bg" : "blue.solid"}
      style={{ left: `calc(${x}% - 4.5px)`, bottom: `calc(${y}% - 4.5px)` }}
    />
  );
}

/** What the line shows, for who does not see it. */
function inWords(placed: Placed[], kind: Kind) {
  const [first, last] = [placed[0], placed[placed.length - 1]];
  const label = CHOICES.find(({ value }) => value === kind)?.label ?? kind;
  const least = Math.min(...placed.map(({ value }) => value));
  const most = Math.max(...placed.map(({ value }) => value));
  return `${label} after ${counted(placed.length, "run")}: ${number(first.value)} on ${first.point.at.slice(0, 10)}, ${number(last.value)} on ${last.point.at.slice(0, 10)}; at least ${number(least)}, at most ${number(most)}. The table below has each run.`;
}

function AsTable({ points, isOfSchool }: { points: RosterPoint[]; isOfSchool: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const kinds = isOfSchool ? CHOICES.slice(0, 1) : CHOICES;
  return (
    <Box mt="3">
      <Disclosure label="Show as a table" isOpen={isOpen} onToggle={setIsOpen}>
        <Rows
          caption="Active records after each applied run, the newest first"
          rows={[...points].reverse()}
          rowKey={({ run_id: id }) => id}
          columns={[
            {
              key: "at",
              label: "Applied",
              width: "16rem",
              cell: (point) => (
                <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
                  <Link to={`${HOME}/runs/${point.run_id}`}>
                    <Time at={point.at} seconds={false} />
                  </Link>
                </Box>
              ),
            },
            {
              key: "outcome",
              label: "Outcome",
              cell: (point) => (
                <Text as="span">
                  {point.is_undo ? "Undo" : outcomeLabel(point.outcome)}
                  {point.is_rebuilt && ", rebuilt from the audit"}
                </Text>
              ),
            },
            {
              key: "changes",
              label: "Changes",
              align: "end",
              cell: ({ changes }) => number(changes),
            },
            ...kinds.map(({ value, label }) => ({
              key: value,
              label,
              align: "end" as const,
              cell: (point: RosterPoint) => number(point.active[value] ?? 0),
            })),
          ]}
        />
      </Disclosure>
    </Box>
  );
}
