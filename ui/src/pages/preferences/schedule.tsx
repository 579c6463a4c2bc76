/** When syncs run by themselves: days and time, and the next five syncs in UTC and in the viewer's zone. */

import { Box, Button, Flex, Heading, Input, Table, Text } from "@chakra-ui/react";
import { useEffect, useId, useState } from "react";
import { BAD, WARN } from "../../lib/colors";
import { asProblem, post } from "../../lib/api";
import type { RaisedLimit, Upcoming as Coming, Weekday } from "../../lib/openapi";
import {
  allZones,
  cityOf,
  inZone,
  isAlwaysUtc,
  isTime,
  isZone,
  timeInZone,
  today,
  UTC,
  useZone,
  withWeekday,
  zonesBeside,
} from "../../lib/time";
import { capital, DAYS } from "../../lib/words";
import { Credited } from "./admin";
import { Calendar } from "./calendar";
import { Section, Setting, useForm } from "./fields";
import { problemsIn } from "./form";
import { Pauses, SummerBreak } from "./pauses";
import type { SectionOf } from "./sections";
import { SyncSwitch } from "./sync_switch";
import { same, type Settings, valueAt } from "./settings";

/** The section about the schedule, and what comes of it. */
export function Schedule({
  section,
  isStale,
  reload,
}: {
  section: SectionOf;
  isStale: boolean;
  reload: () => void;
}) {
  const { site, base, settings, latest, changed } = useForm();
  const isEdited = isScheduleEdited(settings, base.settings);
  const aside = (
    <Box minWidth="0">
      <Calendar
        site={site}
        from={latest.upcoming[0]?.at}
        schedule={
          isEdited && isTime(settings.time_utc) && settings.days.length
            ? scheduleOf(settings)
            : null
        }
      />
      <Upcoming />
    </Box>
  );
  return (
    <Section section={section} aside={aside}>
      <SyncSwitch latest={latest} isStale={isStale} isEdited={changed.length > 0} reload={reload} />
      <Credited />
      <Days />
      <Time />
      <TimeZone />
      <Pauses />
      <SummerBreak />
    </Section>
  );
}

function Days() {
  const { draft, change } = useForm();
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
    <Setting path="days" required group>
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
                title={capital(day)}
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
  const { draft, settings, change } = useForm();
  const zone = useZone();
  const siteZone = known(settings.time_zone);
  return (
    <Setting
      path="time_utc"
      required
      help={
        <Box as="span" aria-live="polite">
          {timeInZone(settings.time_utc, siteZone ?? zone, today())}
        </Box>
      }
    >
      {(control) => (
        <Input
          {...control}
          inputMode="numeric"
          autoComplete="off"
          maxLength={5}
          placeholder="02:00"
          width="6rem"
          value={draft.time_utc ?? ""}
          onChange={(event) => change("time_utc", event.target.value)}
        />
      )}
    </Setting>
  );
}

/** The zone of the site: typed with help, because there are more than four hundred. */
function TimeZone() {
  const { draft, change } = useForm();
  const id = useId();
  return (
    <Setting path="time_zone">
      {(control) => (
        <>
          <Input
            {...control}
            list={id}
            maxLength={100}
            autoComplete="off"
            spellCheck={false}
            placeholder="None: UTC alone"
            maxWidth="20rem"
            value={draft.time_zone ?? ""}
            onChange={(event) => change("time_zone", event.target.value)}
          />
          <datalist id={id}>
            {allZones().map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
    </Setting>
  );
}

/** Return a zone if it is one: while it is being typed it is none. */
function known(zone: string | null | undefined) {
  return zone && isZone(zone) ? zone : null;
}

const TYPING_MS = 300;

/** Return whether the schedule differs from the saved one. */
function isScheduleEdited(settings: Settings, saved: Settings) {
  return PARTS.some((part) => !same(valueAt(saved, part), valueAt(settings, part)));
}

/** Return the schedule as the API takes it; a pause that is being typed is left out. */
function scheduleOf(settings: Settings) {
  return {
    days: settings.days,
    time_utc: settings.time_utc ?? "",
    pause_windows: settings.pause_windows.filter(
      ({ first_on: first, last_on: last }) => first && last && first <= last,
    ),
    create_only_until: settings.create_only_until || null,
    raised: usable(settings.guards.raised),
    started_by: settings.started_by,
  };
}

const PARTS = [
  "days",
  "time_utc",
  "pause_windows",
  "create_only_until",
  "guards.raised",
  "started_by",
];

/** Five syncs to come, in UTC and in the viewer's zone, what is special about them, and the pauses. */
export function Upcoming() {
  const { base, settings, latest, site } = useForm();
  const isEdited = isScheduleEdited(settings, base.settings);
  const preview = usePreview(site, isEdited ? settings : null, base.settings);
  const lines = isEdited ? (preview.lines ?? latest.upcoming) : latest.upcoming;
  const words =
    preview.words ??
    (latest.archived_at ? RESTS : latest.enabled === false ? OFF : EDITED[String(isEdited)]);
  return (
    <Box bg="bg.muted" borderRadius="8px" p={{ base: "3", md: "4" }} minHeight="15rem">
      <Heading as="h3" size="sm" mb="1">
        The next five syncs
      </Heading>
      <Text color={preview.words ? BAD : "fg.muted"} fontSize="xs" mb="2" minHeight="2.5em">
        {words}
      </Text>
      <Lines
        lines={lines}
        isOld={preview.isBusy || Boolean(preview.words)}
        siteZone={known(settings.time_zone)}
      />
    </Box>
  );
}

const EDITED: Record<string, string> = {
  true: "As they will be when you save.",
  false: "Current.",
};

const RESTS = "The site is archived: none of these syncs runs.";

const OFF = "The sync is off: none of them runs until it is switched on.";

function Lines({
  lines,
  isOld,
  siteZone,
}: {
  lines: Coming[];
  isOld: boolean;
  siteZone: string | null;
}) {
  const zone = useZone();
  const inUtc = isAlwaysUtc(zone);
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
              {cityOf(zone)}
            </Table.ColumnHeader>
          )}
        </Table.Row>
      </Table.Header>
      <Table.Body>
        {lines.map((line) => (
          <Line
            key={`${line.at} ${line.skipped_because}`}
            line={line}
            zone={inUtc ? null : zone}
            siteZone={siteZone}
          />
        ))}
      </Table.Body>
    </Table.Root>
  );
}

function Line({
  line: { at, skipped_because: pause, notes },
  zone,
  siteZone,
}: {
  line: Coming;
  zone: string | null;
  siteZone: string | null;
}) {
  if (pause) {
    return (
      <Table.Row bg="transparent">
        <Table.Cell
          colSpan={zone ? 2 : 1}
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
          {withWeekday(at, UTC)}
        </time>
        {zonesBeside(at, zone ?? UTC, siteZone)
          .filter((one) => one !== zone)
          .map((one) => (
            <Text key={one} color="fg.muted" fontSize="xs">
              {`${inZone(at, one, { seconds: false })} in ${cityOf(one)}`}
            </Text>
          ))}
        {notes.map((note) => (
          <Text key={note} color={WARN} fontSize="xs">
            {capital(note)}
          </Text>
        ))}
      </Table.Cell>
      {zone && (
        <Table.Cell px="0" verticalAlign="top" whiteSpace="nowrap" color="fg.muted">
          {withWeekday(at, zone)}
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
  const asked = settings && JSON.stringify(scheduleOf(settings));
  const wrong =
    settings &&
    problemsIn(settings, saved).find(
      ({ field, message }) =>
        ["days", "time_utc"].includes(field) ||
        (field.startsWith("pause_windows") && message.includes("before")),
    );
  // What is wrong stands beside its setting, and is not said twice.
  const fault = wrong ? "Correct the schedule above to see the next syncs." : null;

  useEffect(() => {
    if (!asked || fault) {
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
  }, [site, asked, fault]);

  if (!asked) {
    return { lines: null, words: null, isBusy: false };
  }
  const words = fault ?? (state.asked === asked ? state.words : null);
  return { lines: state.lines, words, isBusy: state.asked !== asked };
}

/** Return a raised limit once it can be used: while it is being typed it is left out. */
function usable(raised: RaisedLimit | null | undefined) {
  const counts = raised && raised.until !== "" && raised.percent >= 0 && raised.percent <= 100;
  return counts && typeof raised.percent === "number" ? raised : null;
}
