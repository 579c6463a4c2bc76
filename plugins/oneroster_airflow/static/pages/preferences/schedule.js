/** The calendar: when syncs run by themselves, and what they may do at the turn of a year. */

import { h } from "../../lib/ui.js";
import { DAYS, capital } from "../../lib/words.js";
import { READABLE, Section, Setting, useForm } from "./parts.js";
import { Pauses } from "./pauses.js";
import { EndedTerms, Rollover } from "./rollover.js";
import { Upcoming } from "./upcoming.js";
import { inViewersZone } from "./zone.js";

const { Box, Button, Flex, Grid, Input } = globalThis.ChakraUI;

/** The group of settings about the schedule, and what comes of it. */
export function Schedule() {
  return h(
    Section,
    {
      title: "Schedule",
      hint: "When the SIS is read without anybody asking. Times are in UTC, so that a clock change never skips or repeats a sync.",
    },
    h(
      Grid,
      {
        gap: "6",
        alignItems: "start",
        templateColumns: { base: "minmax(0, 1fr)", xl: "minmax(0, 1fr) 26rem" },
      },
      h(
        Grid,
        { gap: "6", templateColumns: "minmax(0, 1fr)" },
        h(Days),
        h(Time),
        h(Pauses),
        h(Rollover),
        h(EndedTerms),
      ),
      h(Upcoming),
    ),
  );
}

function Days() {
  const { draft, change, isReadOnly } = useForm();
  const toggle = (day) => {
    const chosen = draft.days.includes(day)
      ? draft.days.filter((one) => one !== day)
      : [...draft.days, day];
    change("days", DAYS.filter((one) => chosen.includes(one)));
  };
  return h(
    Setting,
    {
      path: "days",
      label: "Days",
      required: true,
      group: true,
      help: "The days in UTC on which a sync runs.",
    },
    () =>
      h(
        Flex,
        { gap: "1", wrap: "wrap" },
        DAYS.map((day) => {
          const isOn = draft.days.includes(day);
          return h(
            Button,
            {
              key: day,
              type: "button",
              size: "sm",
              px: "3",
              minWidth: "3.25rem",
              variant: isOn ? "solid" : "outline",
              colorPalette: isOn ? "brand" : "gray",
              "aria-pressed": isOn,
              "aria-label": capital(day),
              disabled: isReadOnly,
              ...READABLE,
              onClick: () => toggle(day),
            },
            capital(day.slice(0, 3)),
          );
        }),
      ),
  );
}

function Time() {
  const { draft, change, isReadOnly } = useForm();
  return h(
    Setting,
    {
      path: "time_utc",
      label: "Time (UTC)",
      required: true,
      help: h(Box, { as: "span", "aria-live": "polite" }, inViewersZone(draft.time_utc)),
    },
    (control) =>
      h(Input, {
        ...control,
        type: "time",
        width: "9rem",
        readOnly: isReadOnly,
        value: draft.time_utc,
        onChange: (event) => change("time_utc", event.target.value),
      }),
  );
}
