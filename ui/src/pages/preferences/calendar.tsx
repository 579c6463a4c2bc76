/** A month of days: syncs, pauses, add-only days and raised limits, as the timetable has them. */

import { Box, Button, Flex, Grid, Heading, NativeSelect, Text } from "@chakra-ui/react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { BAD } from "../../lib/colors";
import { asProblem, get, post } from "../../lib/api";
import type { CalendarDay, Schedule } from "../../lib/openapi";
import { today, withWeekday } from "../../lib/time";
import { addDays, addMonths, dayWords, marksOf, monthName, monthWords, weekdayIndex } from "./days";

const WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const MONTHS_AHEAD = 24;

const TYPING_MS = 300;

/** The key of each step from day to day; other keys step by months. */
const STEPS: Record<string, number> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowUp: -7,
  ArrowDown: 7,
};

/**
 * Show the days of a month, and what counts on the chosen one.
 *
 * @param props.from The next sync, whose day is chosen first.
 * @param props.schedule One that has not been saved; null for the saved one.
 */
export function Calendar({
  site,
  from,
  schedule,
}: {
  site: string;
  from: string | undefined;
  schedule: Schedule | null;
}) {
  const now = today();
  const [chosen, setChosen] = useState(from?.slice(0, 10) ?? now);
  const month = chosen.slice(0, 7);
  const { days, problem } = useDays(site, schedule, month);
  const shown = days[0]?.day.startsWith(month) ? days : [];
  const grid = useRef<HTMLDivElement>(null);
  const isByKey = useRef(false);
  const id = useId();

  useEffect(() => {
    if (isByKey.current && shown.length) {
      grid.current?.querySelector<HTMLElement>("[tabindex='0']")?.focus();
      isByKey.current = false;
    }
  }, [chosen, shown.length]);

  const first = now.slice(0, 7);
  const months = Array.from({ length: MONTHS_AHEAD }, (_, index) => addMonths(now, index));
  const canGo = (day: string) =>
    day.slice(0, 7) >= first && day.slice(0, 7) <= months[MONTHS_AHEAD - 1].slice(0, 7);
  const go = (day: string) => canGo(day) && setChosen(day);
  const onKeyDown = (event: KeyboardEvent) => {
    const to = target(event.key, chosen);
    if (to) {
      event.preventDefault();
      isByKey.current = true;
      go(to);
    }
  };
  const selected = shown.find(({ day }) => day === chosen);
  return (
    <Box
      as="section"
      aria-labelledby={id}
      bg="bg.muted"
      borderRadius="8px"
      p={{ base: "3", md: "4" }}
      mb="3"
    >
      <Flex justify="space-between" align="center" gap="2" mb="2">
        <Heading as="h3" size="sm" id={id}>
          Calendar
        </Heading>
        <Flex gap="1" align="center">
          <Step label="Previous month" sign="‹" to={addMonths(chosen, -1)} go={go} canGo={canGo} />
          <NativeSelect.Root size="sm" width="10.5rem">
            <NativeSelect.Field
              aria-label="Month"
              value={month}
              onChange={(event) => go(`${event.target.value}-01`)}
            >
              {months.map((day) => (
                <option key={day} value={day.slice(0, 7)}>
                  {monthName(day)}
                </option>
              ))}
            </NativeSelect.Field>
            <NativeSelect.Indicator />
          </NativeSelect.Root>
          <Step label="Next month" sign="›" to={addMonths(chosen, 1)} go={go} canGo={canGo} />
        </Flex>
      </Flex>
      <Box
        ref={grid}
        role="grid"
        aria-label={`Days of ${monthName(chosen)}, in UTC`}
        aria-busy={shown.length === 0}
        minHeight="15.5rem"
        onKeyDown={onKeyDown}
      >
        <Grid role="row" templateColumns="repeat(7, minmax(0, 1fr))">
          {WEEK.map((name) => (
            <Text key={name} role="columnheader" fontSize="xs" color="fg.muted" textAlign="center">
              {name}
            </Text>
          ))}
        </Grid>
        {weeksOf(shown).map((week, index) => (
          <Grid key={index} role="row" templateColumns="repeat(7, minmax(0, 1fr))">
            {week.map((day, at) =>
              day ? (
                <Day
                  key={day.day}
                  day={day}
                  isToday={day.day === now}
                  isChosen={day.day === chosen}
                  choose={() => setChosen(day.day)}
                />
              ) : (
                <Box key={at} role="gridcell" />
              ),
            )}
          </Grid>
        ))}
      </Box>
      <Text role="status" fontSize="sm" minHeight="3em" mt="1" color={problem ? BAD : "fg"}>
        {problem ??
          (selected &&
            `${withWeekday(`${selected.day}T00:00Z`, "UTC").slice(0, 14)}: ${dayWords(selected)}.`)}
      </Text>
      <Text fontSize="xs" color="fg.muted" minHeight="1.5em">
        {shown.length > 0 && monthWords(shown)}
      </Text>
      <Legend />
    </Box>
  );
}

function Step({
  label,
  sign,
  to,
  go,
  canGo,
}: {
  label: string;
  sign: string;
  to: string;
  go: (day: string) => void;
  canGo: (day: string) => boolean;
}) {
  return (
    <Button
      type="button"
      size="sm"
      variant="ghost"
      px="2"
      minWidth="8"
      aria-label={label}
      title={label}
      disabled={!canGo(to)}
      onClick={() => go(to)}
    >
      <Box as="span" aria-hidden fontSize="lg">
        {sign}
      </Box>
    </Button>
  );
}

function Day({
  day,
  isToday,
  isChosen,
  choose,
}: {
  day: CalendarDay;
  isToday: boolean;
  isChosen: boolean;
  choose: () => void;
}) {
  const isDue = day.due_at !== null;
  return (
    <Box
      role="gridcell"
      aria-selected={isChosen}
      aria-current={isToday ? "date" : undefined}
      aria-label={`${day.day}: ${dayWords(day)}`}
      tabIndex={isChosen ? 0 : -1}
      onClick={choose}
      cursor="pointer"
      textAlign="center"
      fontSize="sm"
      lineHeight="1.3"
      height="2.35rem"
      m="1px"
      borderRadius="sm"
      borderWidth="1px"
      borderStyle={day.pause ? "dashed" : "solid"}
      borderColor={isChosen ? "border.info" : day.pause ? "border.emphasized" : "transparent"}
      bg={isDue ? "brand.subtle" : undefined}
      color={isDue ? "brand.fg" : "fg.muted"}
      fontWeight={isToday ? "bold" : undefined}
      textDecoration={isToday ? "underline" : undefined}
      _focusVisible={{ outline: "2px solid", outlineColor: "border.info", outlineOffset: "1px" }}
    >
      {Number(day.day.slice(8))}
      <Text as="span" display="block" aria-hidden fontSize="xs" lineHeight="1">
        {marksOf(day)}
      </Text>
    </Box>
  );
}

function Legend() {
  return (
    <Text fontSize="xs" color="fg.muted" mt="1">
      ● sync · – paused · + only adds · ↑ raised limit
    </Text>
  );
}

/** Return the weeks of a month, from Monday on; where the month has no day there is none. */
function weeksOf(days: CalendarDay[]): (CalendarDay | null)[][] {
  if (days.length === 0) {
    return [];
  }
  const cells = [...Array<null>(weekdayIndex(days[0].day)).fill(null), ...days];
  const weeks = Array.from({ length: Math.ceil(cells.length / 7) }, (_, at) =>
    cells.slice(at * 7, at * 7 + 7),
  );
  const last = weeks[weeks.length - 1];
  last.push(...Array<null>(7 - last.length).fill(null));
  return weeks;
}

function target(key: string, day: string) {
  if (STEPS[key]) {
    return addDays(day, STEPS[key]);
  }
  switch (key) {
    case "PageUp":
      return addMonths(day, -1);
    case "PageDown":
      return addMonths(day, 1);
    case "Home":
      return addDays(day, -weekdayIndex(day));
    case "End":
      return addDays(day, 6 - weekdayIndex(day));
    default:
      return null;
  }
}

/** Ask for the days of a month; of a schedule that is being typed a moment after the last key. */
function useDays(site: string, schedule: Schedule | null, month: string) {
  const [days, setDays] = useState<CalendarDay[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const asked = schedule && JSON.stringify(schedule);
  const before = useRef(asked);
  useEffect(() => {
    const control = new AbortController();
    const isTyped = before.current !== asked;
    before.current = asked;
    const ask = async () => {
      const { signal } = control;
      try {
        const answer = asked
          ? await post(
              `sites/${site}/preferences/calendar`,
              { ...JSON.parse(asked), month },
              signal,
            )
          : await get(`sites/${site}/calendar`, { month }, signal);
        setDays(answer.days);
        setProblem(null);
      } catch (caught) {
        if (!signal.aborted) {
          setProblem(asProblem(caught).detail);
        }
      }
    };
    const timer = setTimeout(ask, isTyped ? TYPING_MS : 0);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [site, asked, month]);
  return { days, problem };
}
