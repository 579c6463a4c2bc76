/** The turn of the school year: syncs that only add, and assignments that end with their terms. */

import { h } from "../../lib/ui.js";
import { today } from "../../lib/words.js";
import { DayBox } from "./boxes.js";
import { Labelled, Setting, Tick, useForm } from "./parts.js";
import { errorAt } from "./use_form.js";

const { Box, Text } = globalThis.ChakraUI;
const { useId } = globalThis.React;

const PATH = "create_only_until";

/** Until which day syncs only add. */
export function Rollover() {
  const { draft, base, change, isReadOnly } = useForm();
  const until = draft[PATH];
  return h(
    Setting,
    { path: PATH, label: "Rollover", group: true },
    () =>
      h(
        Box,
        null,
        h(Tick, {
          checked: until !== null,
          disabled: isReadOnly,
          label: "Syncs only add",
          help: "For the weeks in which the SIS moves to the next school year: next year's people and courses come; nobody is deactivated, nothing is removed or updated. What is left out is told with each run, and is done by the first run after the last day.",
          onChange: (isOn) => change(PATH, isOn ? (base.settings[PATH] ?? "") : null),
        }),
        until !== null && h(LastDay, { until }),
      ),
  );
}

function LastDay({ until }) {
  const { errors } = useForm();
  const isPast = until !== "" && until < today();
  const id = useId();
  return h(
    Box,
    { ps: { base: "0", md: "7" }, mt: "3" },
    h(
      Labelled,
      { label: "Last day (UTC)" },
      h(DayBox, {
        path: PATH,
        "aria-describedby": id,
        "aria-invalid": errorAt(errors, PATH) ? true : undefined,
      }),
    ),
    h(
      Text,
      { id, fontSize: "sm", mt: "1", color: isPast ? "fg.warning" : "fg.muted", role: "status" },
      meaningOf(until, isPast),
    ),
  );
}

function meaningOf(until, isPast) {
  if (isPast) {
    return "This day is past: syncs add, update and remove again. Untick it to tidy up.";
  }
  return until
    ? `Until ${until}, that day included. After it syncs add, update and remove again.`
    : "Choose the last day. After it syncs add, update and remove again.";
}

/** Whether assignments end uncounted with the terms of their classes. */
export function EndedTerms() {
  const { draft, change, isReadOnly } = useForm();
  return h(
    Setting,
    { path: "expire_ended_terms", label: "Ended terms", group: true },
    () =>
      h(Tick, {
        checked: draft.expire_ended_terms,
        disabled: isReadOnly,
        label: "Assignments end with their terms",
        help: "A SIS drops the classes of a term that is over. An assignment that goes because the terms of all its classes have ended does not count towards the limits. Unticked, it counts like every other removal.",
        onChange: (isOn) => change("expire_ended_terms", isOn),
      }),
  );
}
