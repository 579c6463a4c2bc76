/** Days that are special: pauses, the rollover to a school year, and terms that end. */

import { Alert, Box, Button, Flex, IconButton, Input, Text } from "@chakra-ui/react";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { BAD, WARN } from "../../lib/colors";
import { Disclosure } from "../../lib/dialogs";
import type { PauseWindow } from "../../lib/openapi";
import { cityOf, inZone, isZone, today } from "../../lib/time";
import { DayBox, Labelled, Setting, Tick, useForm } from "./fields";
import { errorAt, REVERSED } from "./form";
import { SUMMER_REASONS, TEXTS, TICKS } from "./texts";

const MOST = 100;

/** The setting of pauses: a row for each, and a button for one more. */
export function Pauses() {
  const { draft, settings, change } = useForm();
  const windows = draft.pause_windows;
  const list = useRef<HTMLDivElement>(null);
  const focusOn = useRef<number | null>(null);

  useEffect(() => {
    if (focusOn.current !== null) {
      const rows =
        list.current?.querySelectorAll<HTMLElement>("input[type=date][data-first]") ?? [];
      const at = Math.min(focusOn.current, rows.length - 1);
      (rows[at] ?? list.current?.querySelector("button"))?.focus();
      focusOn.current = null;
    }
  }, [windows.length]);

  const set = (index: number, name: keyof PauseWindow, value: string) =>
    change(
      "pause_windows",
      windows.map((one, at) => (at === index ? { ...one, [name]: value } : one)),
    );
  const add = () => {
    focusOn.current = windows.length;
    change("pause_windows", [...windows, { first_on: "", last_on: "", note: "" }]);
  };
  const remove = (index: number) => {
    focusOn.current = index;
    change(
      "pause_windows",
      windows.filter((_one, at) => at !== index),
    );
  };

  return (
    <Setting path="pause_windows" group hasRows>
      {() => (
        <Box ref={list}>
          {windows.length === 0 && (
            <Text color="fg.muted" fontSize="sm" mb="2">
              No pauses
            </Text>
          )}
          {windows.map((window, index) => (
            <PauseRow
              key={index}
              window={window}
              index={index}
              zone={settings.time_zone ?? null}
              set={(name, value) => set(index, name, value)}
              remove={() => remove(index)}
            />
          ))}
          <Button
            type="button"
            size="sm"
            variant="outline"
            disabled={windows.length >= MOST}
            onClick={add}
          >
            + Add a pause
          </Button>
        </Box>
      )}
    </Setting>
  );
}

/**
 * Say when a pause begins and ends in the zone of the site: its days are those of UTC.
 *
 * @returns Such as `In Chicago: 2027-06-14 19:00 to 2027-08-15 19:00`; null without a zone.
 */
function localSpan({ first_on: first, last_on: last }: PauseWindow, zone: string | null) {
  if (!zone || !isZone(zone) || !first || !last || last < first) {
    return null;
  }
  const end = new Date(Date.parse(`${last}T00:00:00Z`) + DAY_MS).toISOString();
  const [from, to] = [`${first}T00:00:00Z`, end].map((at) => inZone(at, zone, { seconds: false }));
  return `In ${cityOf(zone)}: ${from} to ${to}`;
}

const DAY_MS = 24 * 60 * 60 * 1000;

function PauseRow({
  window,
  index,
  zone,
  set,
  remove,
}: {
  window: PauseWindow;
  index: number;
  zone: string | null;
  set: (name: keyof PauseWindow, value: string) => void;
  remove: () => void;
}) {
  const { errors } = useForm();
  const isReversed = window.first_on && window.last_on && window.last_on < window.first_on;
  const local = localSpan(window, zone);
  const error = errorAt(errors, `pause_windows.${index}`) ?? (isReversed ? REVERSED : undefined);
  const id = useId();
  const shared = {
    size: "sm",
    "aria-invalid": error ? true : undefined,
  } as const;
  return (
    <Flex
      role="group"
      aria-label={`Pause ${index + 1}`}
      aria-describedby={error ? id : undefined}
      wrap="wrap"
      gap="2"
      align="flex-end"
      mb="3"
    >
      <PauseField label="First day" width="9.5rem">
        {(name) => (
          <Input
            {...shared}
            id={name}
            type="date"
            data-first="true"
            max={window.last_on || undefined}
            value={window.first_on}
            onChange={(event) => set("first_on", event.target.value)}
          />
        )}
      </PauseField>
      <PauseField label="Last day" width="9.5rem">
        {(name) => (
          <Input
            {...shared}
            id={name}
            type="date"
            min={window.first_on || undefined}
            value={window.last_on}
            onChange={(event) => set("last_on", event.target.value)}
          />
        )}
      </PauseField>
      <PauseField label="Note" width="10rem" grow>
        {(name) => (
          <Input
            {...shared}
            id={name}
            aria-invalid={undefined}
            placeholder="Summer break"
            maxLength={200}
            value={window.note}
            onChange={(event) => set("note", event.target.value)}
          />
        )}
      </PauseField>
      <IconButton
        type="button"
        size="sm"
        variant="ghost"
        aria-label={`Remove pause ${index + 1}`}
        title="Remove this pause"
        onClick={remove}
      >
        <Box as="span" aria-hidden fontSize="lg">
          ×
        </Box>
      </IconButton>
      {error && (
        <Text id={id} color={BAD} fontSize="sm" width="100%">
          {error}
        </Text>
      )}
      {!error && local && (
        <Text color="fg.muted" fontSize="sm" width="100%">
          {local}
        </Text>
      )}
    </Flex>
  );
}

function PauseField({
  label,
  width,
  grow = false,
  children,
}: {
  label: string;
  width: string;
  grow?: boolean;
  children: (id: string) => ReactNode;
}) {
  const id = useId();
  return (
    <Box flex={grow ? `1 1 ${width}` : { base: "1 1 8rem", md: `0 1 ${width}` }} minWidth="8rem">
      <Text as="label" {...{ htmlFor: id }} fontSize="xs" color="fg.muted" display="block">
        {label}
      </Text>
      {children(id)}
    </Box>
  );
}

/** Why one pauses over the summer; and the pause that the last days of the classes suggest. */
export function SummerBreak() {
  const { draft, latest, change } = useForm();
  const [isOpen, setIsOpen] = useState(false);
  const proposed = latest.proposed_pause;
  const isPlanned =
    proposed &&
    draft.pause_windows.some(
      ({ first_on: first, last_on: last }) =>
        first <= proposed.last_on && proposed.first_on <= last,
    );
  const add = () => {
    if (proposed) {
      const { first_on, last_on } = proposed;
      change("pause_windows", [
        ...draft.pause_windows,
        { first_on, last_on, note: "Summer break" },
      ]);
    }
  };
  return (
    <Box maxWidth="48rem">
      {proposed && !isPlanned && (
        <Alert.Root status="info" mb="2">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>{`School ends on ${proposed.year_ends_on}. Pause over the summer?`}</Alert.Title>
            <Alert.Description>
              {`From ${proposed.first_on} to ${proposed.last_on}; change the days before you save.`}
              <Box mt="2">
                <Button type="button" size="sm" variant="outline" onClick={add}>
                  Add this pause
                </Button>
              </Box>
            </Alert.Description>
          </Alert.Content>
        </Alert.Root>
      )}
      <Disclosure label="Why pause over the summer?" isOpen={isOpen} onToggle={setIsOpen}>
        <Box as="ul" ps="5" fontSize="sm" listStyleType="disc">
          {SUMMER_REASONS.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </Box>
      </Disclosure>
    </Box>
  );
}

const PATH = "create_only_until";

/** Until which day syncs only add. */
export function Rollover() {
  const { draft, base, change } = useForm();
  const until = draft[PATH];
  return (
    <Setting path={PATH} group help={null}>
      {() => (
        <Box>
          <Tick
            checked={until !== null}
            label={TICKS[PATH]}
            help={TEXTS[PATH].help}
            onChange={(isOn) => change(PATH, isOn ? (base.settings[PATH] ?? "") : null)}
          />
          {until !== null && <LastDay until={until} />}
        </Box>
      )}
    </Setting>
  );
}

function LastDay({ until }: { until: string | undefined | null }) {
  const { errors } = useForm();
  const isPast = Boolean(until) && (until ?? "") < today();
  const id = useId();
  return (
    <Box ps={{ base: "0", md: "7" }} mt="3">
      <Labelled label="Last day (UTC)">
        <DayBox
          path={PATH}
          aria-describedby={id}
          aria-invalid={errorAt(errors, PATH) ? true : undefined}
        />
      </Labelled>
      <Text id={id} fontSize="sm" mt="1" color={isPast ? WARN : "fg.muted"} role="status">
        {meaningOf(until, isPast)}
      </Text>
    </Box>
  );
}

function meaningOf(until: string | undefined | null, isPast: boolean) {
  if (isPast) {
    return "This day is past: syncs add, update and remove again. Untick it.";
  }
  return until
    ? `Until ${until}, that day included. After it syncs add, update and remove again.`
    : "Choose the last day. After it syncs add, update and remove again.";
}

/** Whether assignments end uncounted with the terms of their classes. */
export function EndedTerms() {
  const { draft, change } = useForm();
  return (
    <Setting path="expire_ended_terms" group help={null}>
      {() => (
        <Tick
          checked={draft.expire_ended_terms}
          label={TICKS.expire_ended_terms}
          help={TEXTS.expire_ended_terms.help}
          onChange={(isOn) => change("expire_ended_terms", isOn)}
        />
      )}
    </Setting>
  );
}
