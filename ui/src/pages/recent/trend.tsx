/** What the last runs applied, which errors they met and how they ended, as bars over time. */

import { Box, Flex, Skeleton, Text } from "@chakra-ui/react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { Link } from "react-router-dom";
import { inSelected } from "../../lib/time";
import { useApi } from "../../lib/api";
import type { Point } from "../../lib/openapi";
import { Card, HOME } from "../../lib/ui";
import { counted, outcomeLabel, outcomePalette } from "../../lib/words";
import { heightOf, levelsOf, short } from "./scale";

const SHOWN = 60;

const HEIGHT = 96;

/** The width of the numbers beside the bars. */
const AXIS = "2.5rem";

const SERIES: { name: "changes" | "errors"; label: string; color: string }[] = [
  { name: "changes", color: "var(--chakra-colors-blue-solid)", label: "Changes applied" },
  { name: "errors", color: "var(--chakra-colors-red-solid)", label: "Rows with errors" },
];

/** A shape beside the colour: not everybody sees red and green as different. */
const SHAPES: Record<string, string> = {
  succeeded: "●",
  succeeded_with_errors: "◐",
  no_changes: "○",
  held: "■",
  rejected: "✕",
  failed: "✕",
};

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
      <Box height={{ base: `${HEIGHT + 78}px`, md: `${HEIGHT + 56}px` }}>
        {data ? <Bars points={data.points} /> : <Skeleton height="100%" />}
      </Box>
    </Card>
  );
}

function Legend() {
  return (
    <Flex gap="4" fontSize="sm" color="fg.muted" wrap="wrap">
      {SERIES.map(({ name, color, label }) => (
        <Flex key={name} align="center" gap="1.5">
          <Box boxSize="2.5" borderRadius="2px" style={{ background: color }} aria-hidden />
          {label}
        </Flex>
      ))}
      <Text as="span">logarithmic scale</Text>
    </Flex>
  );
}

/**
 * Each run is a pair of bars and the mark of its outcome. The scale is logarithmic, so that one
 * error beside 10,000 changes shows. With the keyboard, the bars are one stop: the arrow keys go
 * along them.
 */
function Bars({ points }: { points: Point[] }) {
  const [shown, setShown] = useState<number | null>(null);
  const [stop, setStop] = useState<number | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const hint = useId();
  const last = points.length - 1;
  const at = Math.min(stop ?? last, last);
  const levels = levelsOf(points.flatMap((point) => [appliedOf(point), point.errors]));
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
    <Box onMouseLeave={() => setShown(null)} position="relative">
      <Levels levels={levels} />
      <Flex
        ref={list}
        as="ul"
        position="relative"
        ps={AXIS}
        aria-label="The last runs, the newest at the end"
        aria-describedby={hint}
        align="end"
        height={`${HEIGHT + 18}px`}
        gap="2px"
        listStyleType="none"
        css={{ "& > li:nth-last-child(n + 31)": { display: { base: "none", md: "block" } } }}
        onKeyDown={go}
        onBlur={() => setShown(null)}
      >
        {points.map((point, index) => (
          <Box key={point.run_id} as="li" flex="1 1 0" maxWidth="28px" height="100%">
            <Pair
              point={point}
              levels={levels}
              isShown={index === shown}
              isStop={index === at}
              onShow={() => setShown(index)}
              onFocus={() => {
                setShown(index);
                setStop(index);
              }}
            />
          </Box>
        ))}
      </Flex>
      <Days points={points} />
      <Text
        id={hint}
        fontSize="xs"
        color={shown === null ? "fg.muted" : "fg"}
        minHeight={{ base: "44px", md: "22px" }}
        ps={AXIS}
      >
        {shown !== null && points[shown]
          ? inWords(points[shown])
          : "● applied · ◐ with errors · ○ no changes · ■ held · ✕ failed or rejected · – not applied"}
      </Text>
    </Box>
  );
}

/** The axis: a line for each power of ten. */
function Levels({ levels }: { levels: number[] }) {
  return (
    <Box aria-hidden position="absolute" insetX="0" top="0" height={`${HEIGHT}px`}>
      <Box position="absolute" left={AXIS} right="0" bottom="0" borderTopWidth="1px" />
      {levels.map((level) => (
        <Flex
          key={level}
          position="absolute"
          insetX="0"
          align="center"
          height="0"
          style={{ bottom: `${heightOf(level, levels)}%` }}
        >
          <Text fontSize="2xs" color="fg.muted" width={AXIS} pe="2" textAlign="end">
            {short(level)}
          </Text>
          <Box flex="1" borderTopWidth="1px" borderColor="border" />
        </Flex>
      ))}
    </Box>
  );
}

/** From when to when, and the middle where there is room. */
function Days({ points }: { points: Point[] }) {
  const days = [points[0], points[Math.floor(points.length / 2)], points[points.length - 1]];
  // Up to 28 px each, the bars begin at the left.
  const most = `min(100%, calc(${AXIS} + ${points.length} * 30px))`;
  return (
    <Flex justify="space-between" ps={AXIS} fontSize="2xs" color="fg.muted" maxWidth={most}>
      {days.map(({ run_id: id, started_at: at }, index) => (
        <Text
          key={`${index} ${id}`}
          as="span"
          display={{ base: index === 1 ? "none" : "block", md: "block" }}
          hidden={index === 1 && points.length < 12}
        >
          {inSelected(at).slice(0, 10)}
        </Text>
      ))}
    </Flex>
  );
}

function Pair({
  point,
  levels,
  isShown,
  isStop,
  onShow,
  onFocus,
}: {
  point: Point;
  levels: number[];
  isShown: boolean;
  isStop: boolean;
  onShow: () => void;
  onFocus: () => void;
}) {
  const value = { changes: appliedOf(point), errors: point.errors };
  const palette = outcomePalette(point.outcome, point.is_preview);
  return (
    <Box
      asChild
      display="flex"
      flexDirection="column"
      width="100%"
      height="100%"
      borderRadius="2px"
      bg={isShown ? "bg.emphasized" : "transparent"}
      _focusVisible={{ outlineWidth: "2px", outlineStyle: "solid", outlineColor: "border.info" }}
    >
      <Link
        to={`${HOME}/runs/${point.run_id}`}
        tabIndex={isStop ? 0 : -1}
        aria-label={inWords(point)}
        onMouseEnter={onShow}
        onFocus={onFocus}
      >
        <Flex align="flex-end" gap="1px" height={`${HEIGHT}px`} width="100%">
          {SERIES.map(({ name, color }) => (
            <span
              key={name}
              style={{
                flex: 1,
                background: color,
                height: `${heightOf(value[name], levels)}%`,
                borderRadius: "2px 2px 0 0",
              }}
            />
          ))}
        </Flex>
        <Box
          aria-hidden
          height="18px"
          lineHeight="18px"
          fontSize="2xs"
          textAlign="center"
          color={`${palette}.fg`}
        >
          {SHAPES[point.outcome] ?? "–"}
        </Box>
      </Link>
    </Box>
  );
}

/** What was planned and not applied is no change. */
function appliedOf({ is_applied: isApplied, changes }: Point) {
  return isApplied ? changes : 0;
}

function inWords(point: Point) {
  const { started_at: at, outcome, changes, errors, is_applied, is_preview } = point;
  const planned = is_applied || changes === 0 ? "" : " planned, not applied";
  const numbers = `${counted(changes, "change")}${planned}, ${counted(errors, "row")} with errors`;
  return `${inSelected(at)}: ${outcomeLabel(outcome, is_preview)}, ${numbers}`;
}
