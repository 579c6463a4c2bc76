/** Limits that are raised for a while, and fall back by themselves. */

import { Box, Flex, Input, NativeSelect, Text } from "@chakra-ui/react";
import { useId } from "react";
import type { RaisedLimit } from "../../lib/openapi";
import { today } from "../../lib/words";
import { DayBox, Labelled, READABLE, Setting, Tick, useForm } from "./fields";
import { errorAt } from "./form";
import { RAISED } from "./settings";
import { Part } from "./thresholds";

const PATH = "guards.raised";

const HOW_LONG = [
  { value: "run", label: "for one run" },
  { value: "day", label: "until a day" },
];

/** The setting of raised limits: a tick, and while it is set the limit, how long and why. */
export function Raised() {
  const { draft, base, change, isReadOnly } = useForm();
  const { raised } = draft.guards;
  const isPast = Boolean(raised?.until) && (raised?.until ?? "") < today();
  return (
    <Setting path={PATH} label="Temporary limit" group>
      {() => (
        <Box>
          <Tick
            checked={raised !== null}
            disabled={isReadOnly}
            label="Raise the limits for removals"
            help="For a night on which more will go than usual. So many percent may go, of the site and of each school: 100 % where a school closes. Counts in place of the percentages and caps above; fewer records than the numbers above never wait."
            onChange={(isOn) => change(PATH, isOn ? (base.settings.guards.raised ?? RAISED) : null)}
          />
          {raised && <Numbers raised={raised} isPast={isPast} />}
        </Box>
      )}
    </Setting>
  );
}

function Numbers({ raised, isPast }: { raised: RaisedLimit; isPast: boolean }) {
  const { change, isReadOnly } = useForm();
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
          <NativeSelect.Root size="sm" width="9rem" disabled={isReadOnly}>
            <NativeSelect.Field
              {...READABLE}
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
            readOnly={isReadOnly}
            maxLength={200}
            placeholder="Why"
            value={raised.note}
            onChange={(event) => change(`${PATH}.note`, event.target.value)}
          />
        </Labelled>
      </Flex>
      <Text id={id} fontSize="sm" mt="2" color={isPast ? "fg.warning" : "fg.muted"} role="status">
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

const PAST = "This day is past: the limits above count again. Untick it to tidy up.";

function fallsBack({ until }: RaisedLimit) {
  if (until === null) {
    return "Counts for the next run that is applied. After it the limits above count again by themselves.";
  }
  return until
    ? `Counts until ${until}, that day included. After it the limits above count again by themselves.`
    : "Choose the last day. After it the limits above count again by themselves.";
}
