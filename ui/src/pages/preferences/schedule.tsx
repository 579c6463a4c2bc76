/** When syncs run by themselves: days and time, and the next five syncs in UTC and in the viewer's zone. */

import { Box, Button, Flex, Grid, Heading, Input, Table, Text } from "@chakra-ui/react";
import { useEffect, useState } from "react";
import { asProblem, post } from "../../lib/api";
import type { RaisedLimit, Upcoming as Coming, Weekday } from "../../lib/openapi";
import { capital, DAYS } from "../../lib/words";
import { READABLE, Section, Setting, useForm } from "./fields";
import { problemsIn } from "./form";
import { EndedTerms, Pauses, Rollover } from "./pauses";
import { same, type Settings, valueAt } from "./settings";

/** The group of settings about the schedule, and what comes of it. */
export function Schedule() {
  return (
    <Section
      title="Schedule"
      hint="When the SIS is read without anybody asking. Times are in UTC, so that a clock change never skips or repeats a sync."
    >
      <Grid
        gap="6"
        alignItems="start"
        templateColumns={{ base: "minmax(0, 1fr)", xl: "minmax(0, 1fr) 26rem" }}
      >
        <Grid gap="6" templateColumns="minmax(0, 1fr)">
          <Days />
          <Time />
          <Pauses />
          <Rollover />
          <EndedTerms />
        </Grid>
        <Upcoming />
      </Grid>
    </Section>
  );
}

function Days() {
  const { draft, change, isReadOnly } = useForm();
  const toggle = (day: Weekday) => {
    const chosen = draft.days.includes(day)
      ? draft.days.filter((one) => one !== day)
      : [...draft.days, day];
    change(
      "days",
      DAYS.filter((one) => chosen.includes(one)),
    );
  };
  return (
    <Setting path="days" label="Days" required group help="The days in UTC on which a sync runs.">
      {() => (
        <Flex gap="1" wrap="wrap">
          {DAYS.map((day) => {
            const isOn = draft.days.includes(day);
            return (
              <Button
                key={day}
                type="button"
                size="sm"
                px="3"
                minWidth="3.25rem"
                variant={isOn ? "solid" : "outline"}
                colorPalette={isOn ? "brand" : "gray"}
                aria-pressed={isOn}
                aria-label={capital(day)}
                disabled={isReadOnly}
                {...READABLE}
                onClick={() => toggle(day)}
              >
                {capital(day.slice(0, 3))}
              </Button>
            );
          })}
        </Flex>
      )}
    </Setting>
  );
}

function Time() {
  const { draft, change, isReadOnly } = useForm();
  return (
    <Setting
      path="time_utc"
      label="Time (UTC)"
      required
      help={
        <Box as="span" aria-live="polite">
          {inViewersZone(draft.time_utc)}
        </Box>
      }
    >
      {(control) => (
        <Input
          {...control}
          type="time"
          width="9rem"
          readOnly={isReadOnly}
          value={draft.time_utc}
          onChange={(event) => change("time_utc", event.target.value)}
        />
      )}
    </Setting>
  );
}

const TYPING_MS = 300;

const PARTS = ["days", "time_utc", "pause_windows", "create_only_until", "guards.raised"];

/** Five syncs to come, in UTC and in the viewer's zone, what is special about them, and the pauses. */
export function Upcoming() {
  const { base, settings, latest, site } = useForm();
  const isEdited = PARTS.some(
    (part) => !same(valueAt(base.settings, part), valueAt(settings, part)),
  );
  const preview = usePreview(site, isEdited ? settings : null, base.settings);
  const lines = isEdited ? (preview.lines ?? latest.upcoming) : latest.upcoming;
  const words =
    preview.words ??
    (latest.archived_at ? RESTS : latest.enabled === false ? OFF : EDITED[String(isEdited)]);
  return (
    <Box bg="bg.muted" borderRadius="8px" p={{ base: "3", md: "4" }} minHeight="17rem">
      <Heading as="h3" size="sm" mb="1">
        The next five syncs
      </Heading>
      <Text color={preview.words ? "fg.error" : "fg.muted"} fontSize="xs" mb="2" minHeight="2.5em">
        {words}
      </Text>
      <Lines lines={lines} isOld={preview.isBusy || Boolean(preview.words)} />
    </Box>
  );
}

const EDITED: Record<string, string> = {
  true: "As they will be when you save.",
  false: "Current.",
};

const RESTS = "The site is archived, so none of these comes.";

const OFF = "The sync is off: none of them runs until it is switched on.";

function Lines({ lines, isOld }: { lines: Coming[]; isOld: boolean }) {
  const inUtc = isUtc();
  if (lines.length === 0) {
    return (
      <Text color="fg.muted" fontSize="sm">
        None within the next ten years.
      </Text>
    );
  }
  return (
    <Table.Root size="sm" bg="transparent" opacity={isOld ? 0.5 : 1} aria-busy={isOld}>
      <Table.Header>
        <Table.Row bg="transparent">
          <Table.ColumnHeader scope="col" ps="0">
            UTC
          </Table.ColumnHeader>
          {!inUtc && (
            <Table.ColumnHeader scope="col" px="0">
              {viewersZone().replaceAll("_", " ")}
            </Table.ColumnHeader>
          )}
        </Table.Row>
      </Table.Header>
      <Table.Body>
        {lines.map((line) => (
          <Line key={`${line.at} ${line.skipped_because}`} line={line} inUtc={inUtc} />
        ))}
      </Table.Body>
    </Table.Root>
  );
}

function Line({
  line: { at, skipped_because: pause, notes },
  inUtc,
}: {
  line: Coming;
  inUtc: boolean;
}) {
  if (pause) {
    return (
      <Table.Row bg="transparent">
        <Table.Cell
          colSpan={inUtc ? 1 : 2}
          px="0"
          color="fg.muted"
          fontStyle="italic"
        >{`Paused: ${pause}`}</Table.Cell>
      </Table.Row>
    );
  }
  return (
    <Table.Row bg="transparent">
      <Table.Cell ps="0" pe="2" verticalAlign="top">
        <time dateTime={at} style={{ whiteSpace: "nowrap" }}>
          {utcShort(at)}
        </time>
        {notes.map((note) => (
          <Text key={note} color="fg.warning" fontSize="xs">
            {capital(note)}
          </Text>
        ))}
      </Table.Cell>
      {!inUtc && (
        <Table.Cell px="0" verticalAlign="top" whiteSpace="nowrap" color="fg.muted">
          {localShort(at)}
        </Table.Cell>
      )}
    </Table.Row>
  );
}

/** What comes of a schedule that has not been saved. */
interface Preview {
  /** The schedule, as it was sent. */
  asked: string | null;
  lines: Coming[] | null;
  words: string | null;
}

/** Ask for the syncs of a schedule that has not been saved, a moment after the last key. */
function usePreview(site: string, settings: Settings | null, saved: Settings) {
  const [state, setState] = useState<Preview>({ asked: null, lines: null, words: null });
  const schedule = settings && {
    days: settings.days,
    time_utc: settings.time_utc,
    pause_windows: settings.pause_windows.filter((one) => one.first_on && one.last_on),
    create_only_until: settings.create_only_until || null,
    raised: usable(settings.guards.raised),
  };
  const asked = schedule && JSON.stringify(schedule);
  const wrong =
    settings &&
    problemsIn(settings, saved).find(
      ({ field, message }) =>
        ["days", "time_utc"].includes(field) ||
        (field.startsWith("pause_windows") && message.includes("before")),
    );
  // What is wrong stands beside its setting, and is not said twice.
  const told = wrong ? "Correct the schedule above to see the next syncs." : null;

  useEffect(() => {
    if (!asked || told) {
      return undefined;
    }
    const control = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const path = `sites/${site}/preferences/upcoming` as const;
        const { upcoming } = await post(path, JSON.parse(asked), control.signal);
        setState({ asked, lines: upcoming, words: null });
      } catch (caught) {
        if (!control.signal.aborted) {
          setState((old) => ({ ...old, asked, words: asProblem(caught).detail }));
        }
      }
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [site, asked, told]);

  if (!asked) {
    return { lines: null, words: null, isBusy: false };
  }
  const words = told ?? (state.asked === asked ? state.words : null);
  return { lines: state.lines, words, isBusy: state.asked !== asked };
}

/** Return a raised limit once it can be used: while it is being typed it is left out. */
function usable(raised: RaisedLimit | null | undefined) {
  const counts = raised && raised.until !== "" && raised.percent >= 0 && raised.percent <= 100;
  return counts && typeof raised.percent === "number" ? raised : null;
}

/**
 * Say what a time of the day in UTC is in the viewer's zone.
 *
 * @param time As `02:00`.
 */
export function inViewersZone(time: string | undefined, today = new Date()) {
  if (!time) {
    return "Choose a time.";
  }
  const [hours, minutes] = time.split(":").map(Number);
  const at = new Date(
    Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate(), hours, minutes),
  );
  if (isUtc()) {
    return "Your browser is set to UTC too.";
  }
  const zone = viewersZone().replaceAll("_", " ");
  const day = dayShift(at);
  const moves = hasClockChange(at) ? "; shifts an hour with daylight saving" : "";
  return `${clock(at)}${day} in ${zone}${moves}.`;
}

/**
 * Return a moment in the viewer's zone, short: `Wed 25 Nov, 03:30`.
 *
 * @param at ISO 8601.
 */
export function localShort(at: string) {
  return format(new Date(at), {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

/**
 * Return a moment in UTC with its day of the week: `Wed 2026-11-25 03:30`.
 *
 * @param at ISO 8601.
 */
export function utcShort(at: string) {
  const text = new Date(at).toISOString();
  const day = format(new Date(at), { weekday: "short", timeZone: "UTC" });
  return `${day} ${text.slice(0, 10)} ${text.slice(11, 16)}`;
}

/** Return the name of the viewer's zone. */
export function viewersZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone ?? "your time zone";
}

/** Tell whether the viewer's clock shows UTC all year. */
export function isUtc() {
  const year = new Date().getFullYear();
  return offset(new Date(year, 0, 1)) === 0 && offset(new Date(year, 6, 1)) === 0;
}

function dayShift(at: Date) {
  const here = Date.UTC(at.getFullYear(), at.getMonth(), at.getDate());
  const there = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
  if (here === there) {
    return "";
  }
  return here < there ? " on the day before" : " on the day after";
}

function clock(at: Date) {
  return format(at, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function hasClockChange(at: Date) {
  const year = at.getFullYear();
  return offset(new Date(year, 0, 1)) !== offset(new Date(year, 6, 1));
}

function offset(at: Date) {
  return at.getTimezoneOffset();
}

function format(at: Date, options: Intl.DateTimeFormatOptions) {
  return new Intl.DateTimeFormat("en-GB", options).format(at);
}
