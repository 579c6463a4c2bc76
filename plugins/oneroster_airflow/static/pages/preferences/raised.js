/** Limits that are raised for a while, and fall back by themselves. */

import { h } from "../../lib/ui.js";
import { today } from "../../lib/words.js";
import { DayBox } from "./boxes.js";
import { Part } from "./limit_row.js";
import { Labelled, READABLE, Setting, Tick, useForm } from "./parts.js";
import { RAISED } from "./settings.js";
import { errorAt } from "./use_form.js";

const { Box, Flex, Input, NativeSelect, Text } = globalThis.ChakraUI;
const { useId } = globalThis.React;

const PATH = "guards.raised";
const HOW_LONG = [
  { value: "run", label: "for one run" },
  { value: "day", label: "until a day" },
];

/** The setting of raised limits: a tick, and while it is set the limit, how long and why. */
export function Raised() {
  const { draft, base, change, isReadOnly } = useForm();
  const { raised } = draft.guards;
  const isPast = Boolean(raised?.until) && raised.until < today();
  return h(
    Setting,
    { path: PATH, label: "Another limit for a while", group: true },
    () =>
      h(
        Box,
        null,
        h(Tick, {
          checked: raised !== null,
          disabled: isReadOnly,
          label: "Raise the limits for removals",
          help: "For a night on which more will go than usual. So many percent may go, of the site and of each school: 100 % where a school closes. Counts in place of the percentages and caps above; fewer records than the numbers above never wait.",
          onChange: (isOn) => change(PATH, isOn ? (base.settings.guards.raised ?? RAISED) : null),
        }),
        raised && h(Numbers, { raised, isPast }),
      ),
  );
}

function Numbers({ raised, isPast }) {
  const { change, isReadOnly } = useForm();
  const id = useId();
  const setHow = (value) => change(`${PATH}.until`, value === "run" ? null : "");
  return h(
    Box,
    { ps: { base: "0", md: "7" }, mt: "3" },
    h(
      Flex,
      { gap: "2", align: "flex-end", wrap: "wrap", "aria-describedby": id, role: "group", "aria-label": "The raised limit" },
      h(Part, { path: `${PATH}.percent`, label: "Percent", unit: "%" }),
      h(
        Labelled,
        { label: "How long" },
        h(
          NativeSelect.Root,
          { size: "sm", width: "9rem", disabled: isReadOnly },
          h(
            NativeSelect.Field,
            {
              ...READABLE,
              "aria-label": "How long",
              value: raised.until === null ? "run" : "day",
              onChange: (event) => setHow(event.target.value),
            },
            HOW_LONG.map(({ value, label }) => h("option", { key: value, value }, label)),
          ),
          h(NativeSelect.Indicator),
        ),
      ),
      raised.until !== null && h(LastDay),
      h(
        Labelled,
        { label: "Note", grow: true },
        h(Input, {
          size: "sm",
          readOnly: isReadOnly,
          maxLength: 200,
          placeholder: "Why",
          value: raised.note,
          onChange: (event) => change(`${PATH}.note`, event.target.value),
        }),
      ),
    ),
    h(
      Text,
      { id, fontSize: "sm", mt: "2", color: isPast ? "fg.warning" : "fg.muted", role: "status" },
      isPast ? PAST : fallsBack(raised),
    ),
  );
}

function LastDay() {
  const { errors } = useForm();
  const path = `${PATH}.until`;
  return h(
    Box,
    { "data-setting": path },
    h(
      Labelled,
      { label: "Last day (UTC)" },
      h(DayBox, { path, "aria-invalid": errorAt(errors, path) ? true : undefined }),
    ),
  );
}

const PAST = "This day is past: the limits above count again. Untick it to tidy up.";

function fallsBack({ until }) {
  if (until === null) {
    return "Counts for the next run that is applied. After it the limits above count again by themselves.";
  }
  return until
    ? `Counts until ${until}, that day included. After it the limits above count again by themselves.`
    : "Choose the last day. After it the limits above count again by themselves.";
}
