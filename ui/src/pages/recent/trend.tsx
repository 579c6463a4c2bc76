/** How the last runs went: changes and errors as bars over time. */

import { Box, Flex, Skeleton, Text } from "@chakra-ui/react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { Link } from "react-router-dom";
import { useApi } from "../../lib/api";
import type { Point } from "../../lib/openapi";
import { Card, HOME } from "../../lib/ui";
import { counted, outcomeLabel, utc } from "../../lib/words";

const SHOWN = 60;

const HEIGHT = 96;

const SERIES: { name: "changes" | "errors"; label: string; color: string }[] = [
  { name: "changes", color: "var(--chakra-colors-blue-solid)", label: "Changes" },
  { name: "errors", color: "var(--chakra-colors-red-solid)", label: "Errors" },
];

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -SHOWN, End: SHOWN };

/**
 * Draw the last runs of a site; nothing before there are two of them.
 *
 * @param props.newest What ended last, where that is known: when it moves, all is drawn
 *   again.
 */
export function TrendCard({ site, newest }: { site: string; newest: string | undefined }) {
  const { data, problem, reload } = useApi(`sites/${site}/trend`, {
    params: { limit: SHOWN },
    keep: true,
  });
  const before = useRef(newest);
  useEffect(() => {
    if (newest && before.current && before.current !== newest) {
      reload();
    }
    before.current = newest ?? before.current;
  }, [newest, reload]);
  if (data ? data.points.length < 2 : problem) {
    return null;
  }
  return (
    <Card title="Changes and errors" actions={<Legend />} mb="4">
      <Box height={`${HEIGHT + 24}px`}>
        {data ? <Bars points={data.points} /> : <Skeleton height="100%" />}
      </Box>
    </Card>
  );
}

function Legend() {
  return (
    <Flex gap="4" fontSize="sm" color="fg.muted">
      {SERIES.map(({ name, color, label }) => (
        <Flex key={name} align="center" gap="1.5">
          <Box boxSize="2.5" borderRadius="2px" style={{ background: color }} aria-hidden />
          {label}
        </Flex>
      ))}
    </Flex>
  );
}

/**
 * Each run is a pair of bars, drawn by its square root, so that one error beside 10,000 changes
 * shows. With the keyboard, the bars are one stop: the arrow keys go along them.
 */
function Bars({ points }: { points: Point[] }) {
  const [told, setTold] = useState<number | null>(null);
  const [stop, setStop] = useState<number | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const hint = useId();
  const last = points.length - 1;
  const at = Math.min(stop ?? last, last);
  const most = Math.max(1, ...points.flatMap(({ changes, errors }) => [changes, errors]));
  const go = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      const next = Math.max(0, Math.min(last, at + step));
      setStop(next);
      list.current?.querySelectorAll("a")[next]?.focus();
    }
  };
  return (
    <Box onMouseLeave={() => setTold(null)}>
      <Flex
        ref={list}
        as="ul"
        aria-label="The last runs, the newest at the end"
        aria-describedby={hint}
        align="end"
        height={`${HEIGHT}px`}
        gap="2px"
        listStyleType="none"
        borderBottomWidth="1px"
        borderColor="border.emphasized"
        css={{ "& > li:nth-last-child(n + 31)": { display: { base: "none", md: "block" } } }}
        onKeyDown={go}
        onBlur={() => setTold(null)}
      >
        {points.map((point, index) => (
          <Box key={point.run_id} as="li" flex="1 1 0" maxWidth="28px" height="100%">
            <Pair
              point={point}
              most={most}
              isTold={index === told}
              isStop={index === at}
              onTell={() => setTold(index)}
              onFocus={() => {
                setTold(index);
                setStop(index);
              }}
            />
          </Box>
        ))}
      </Flex>
      <Text
        id={hint}
        fontSize="xs"
        color={told === null ? "fg.muted" : "fg"}
        height="24px"
        pt="1"
        truncate
      >
        {told !== null && points[told]
          ? inWords(points[told])
          : "Each pair of bars is a run; the newest is on the right."}
      </Text>
    </Box>
  );
}

function Pair({
  point,
  most,
  isTold,
  isStop,
  onTell,
  onFocus,
}: {
  point: Point;
  most: number;
  isTold: boolean;
  isStop: boolean;
  onTell: () => void;
  onFocus: () => void;
}) {
  return (
    <Box
      asChild
      display="flex"
      alignItems="flex-end"
      gap="1px"
      width="100%"
      height="100%"
      borderRadius="2px"
      bg={isTold ? "bg.emphasized" : "transparent"}
      _focusVisible={{ outlineWidth: "2px", outlineStyle: "solid", outlineColor: "border.info" }}
    >
      <Link
        to={`${HOME}/runs/${point.run_id}`}
        tabIndex={isStop ? 0 : -1}
        aria-label={inWords(point)}
        onMouseEnter={onTell}
        onFocus={onFocus}
      >
        {SERIES.map(({ name, color }) => (
          <span
            key={name}
            style={{
              flex: 1,
              background: color,
              height: `${point[name] ? Math.max(3, 100 * Math.sqrt(point[name] / most)) : 0}%`,
              borderRadius: "2px 2px 0 0",
            }}
          />
        ))}
      </Link>
    </Box>
  );
}

function inWords({ started_at: at, outcome, changes, errors }: Point) {
  const numbers = `${counted(changes, "change")}, ${counted(errors, "error")}`;
  return `${utc(at, { seconds: false })}: ${outcomeLabel(outcome)}, ${numbers}`;
}
