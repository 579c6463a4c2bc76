/** Limits that are raised for a while, and fall back by themselves. */

import { Box, Flex, Input, NativeSelect, Text } from "@chakra-ui/react";
import { useId } from "react";
import { WARN } from "../../lib/colors";
import type { RaisedLimit } from "../../lib/openapi";
import { today } from "../../lib/time";
import { DayBox, Labelled, Setting, Tick, useForm } from "./fields";
import { errorAt } from "./form";
import { RAISED } from "./settings";
import { TEXTS, TICKS } from "./texts";
import { Part } from "./thresholds";

const PATH = "guards.raised";

const HOW_LONG = [
  { value: "run", label: "for one run" },
  { value: "day", label: "until a day" },
];

/** The setting of raised limits: a tick, and while it is set the limit, how long and why. */
export function Raised() {
  const { draft, base, change } = useForm();
  const { raised } = draft.guards;
  const isPast = Boolean(raised?.until) && (raised?.until ?? "") < today();
  return (
    <Setting path={PATH} group help={null}>
      {() => (
        <Box>
          <Tick
            checked={raised !== null}
            label={TICKS[PATH]}
            help={TEXTS[PATH].help}
            onChange={(isOn) => change(PATH, isOn ? (base.settings.guards.raised ?? RAISED) : null)}
          />
          {raised && <Numbers raised={raised} isPast={isPast} />}
        </Box>
      )}
    </Setting>
  );
}

function Numbers({ raised, isPast }: { raised: RaisedLimit; isPast: boolean }) {
  const { change } = useForm();
  const id = useId();
  const setHow = (value: string) => change(`${PATH}.until`, value === "run" ? null : "");
  return (
    <Box ps={{ base: "0", md: "7" }} mt="3">
      <Flex
        gap="2"
        align="flex-end"
        wrap="wrap"
        aria-describedby={id}
        role="group"
        aria-label="The raised limit"
      >
        <Part path={`${PATH}.percent`} label="Percent" unit="%" />
        <Labelled label="How long">
          <NativeSelect.Root size="sm" width="9rem">
            <NativeSelect.Field
              aria-label="How long"
              value={raised.until === null ? "run" : "day"}
              onChange={(event) => setHow(event.target.value)}
            >
              {HOW_LONG.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </NativeSelect.Field>
            <NativeSelect.Indicator />
          </NativeSelect.Root>
        </Labelled>
        {raised.until !== null && <LastDay />}
        <Labelled label="Note" grow>
          <Input
            size="sm"
            maxLength={200}
            placeholder="Why"
            value={raised.note}
            onChange={(event) => change(`${PATH}.note`, event.target.value)}
          />
        </Labelled>
      </Flex>
      <Text id={id} fontSize="sm" mt="2" color={isPast ? WARN : "fg.muted"} role="status">
        {isPast ? PAST : fallsBack(raised)}
      </Text>
    </Box>
  );
}

function LastDay() {
  const { errors } = useForm();
  const path = `${PATH}.until`;
  return (
    <Box data-setting={path}>
      <Labelled label="Last day (UTC)">
        <DayBox path={path} aria-invalid={errorAt(errors, path) ? true : undefined} />
      </Labelled>
    </Box>
  );
}

const PAST = "This day is past: the limits above count again. Untick it.";

function fallsBack({ until }: RaisedLimit) {
  if (until === null) {
    return "In place of the percentages and caps above, for the next run that is applied.";
  }
  return until
    ? `In place of the percentages and caps above, until ${until} (included).`
    : "Choose the last day. After it the limits above count again.";
}
