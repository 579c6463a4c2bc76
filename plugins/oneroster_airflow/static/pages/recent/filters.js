/** What the list of runs is narrowed to; it stands in the address, so that it can be shared. */

import { OUTCOME_NAMES, capital, outcomeLabel } from "../../lib/words.js";
import { h } from "../../lib/ui.js";

const { Box, Button, Input, NativeSelect, Text } = globalThis.ChakraUI;
const { useSearchParams } = globalThis.ReactRouterDOM;

const NAMES = ["outcome", "trigger", "from", "to"];
const TRIGGERS = { schedule: "Scheduled", upload: "Manual upload", command: "Command line" };

/**
 * Return the filters, where the list stands, and ways to change both.
 *
 * `trail` are the cursors of the pages before this one, so that "Newer" leads back.
 *
 * @returns {object}
 */
export function useFilters() {
  const [params, setParams] = useSearchParams();
  const values = Object.fromEntries(NAMES.map((name) => [name, params.get(name) ?? ""]));
  const trail = params.getAll("before");
  const change = (next) => setParams(next, { replace: true });
  return {
    values,
    any: NAMES.some((name) => values[name]),
    before: trail.at(-1) ?? null,
    page: trail.length,
    set: (name, value) => {
      const next = new URLSearchParams(params);
      next.delete("before");
      if (value) {
        next.set(name, value);
      } else {
        next.delete(name);
      }
      change(next);
    },
    clear: () => change(new URLSearchParams()),
    older: (cursor) => {
      const next = new URLSearchParams(params);
      next.append("before", cursor);
      change(next);
    },
    newer: () => {
      const next = new URLSearchParams(params);
      next.delete("before");
      trail.slice(0, -1).forEach((cursor) => next.append("before", cursor));
      change(next);
    },
  };
}

/**
 * Show the filters.
 *
 * @param {object} props
 * @param {object} props.filters As `useFilters` returns them.
 */
export function Filters({ filters }) {
  const { values, set, any, clear } = filters;
  return h(
    Box,
    {
      as: "search",
      display: { base: "grid", md: "flex" },
      gridTemplateColumns: "repeat(2, minmax(0, 1fr))",
      gap: "3",
      flexWrap: "wrap",
      alignItems: "end",
      mb: "4",
    },
    h(Choice, {
      label: "Outcome",
      value: values.outcome,
      onChange: (value) => set("outcome", value),
      choices: OUTCOME_NAMES.map((name) => [name, outcomeLabel(name)]),
    }),
    h(Choice, {
      label: "Started by",
      value: values.trigger,
      onChange: (value) => set("trigger", value),
      choices: Object.entries(TRIGGERS),
    }),
    h(Day, { name: "from", value: values.from, max: values.to, set }),
    h(Day, { name: "to", value: values.to, min: values.from, set }),
    any && h(Button, { size: "sm", variant: "ghost", onClick: clear }, "Clear filters"),
  );
}

function Choice({ label, value, onChange, choices }) {
  return h(
    Labelled,
    { label },
    h(
      NativeSelect.Root,
      { size: "sm", width: { base: "100%", md: "11rem" } },
      h(
        NativeSelect.Field,
        { "aria-label": label, value, onChange: (event) => onChange(event.target.value) },
        h("option", { value: "" }, "All"),
        choices.map(([name, words]) => h("option", { key: name, value: name }, words)),
      ),
      h(NativeSelect.Indicator),
    ),
  );
}

function Day({ name, value, set, min, max }) {
  const label = `${capital(name)} (UTC)`;
  return h(
    Labelled,
    { label },
    h(Input, {
      type: "date",
      size: "sm",
      width: { base: "100%", md: "10rem" },
      "aria-label": label,
      value,
      min: min || "2000-01-01",
      max: max || "2999-12-31",
      onChange: (event) => set(name, event.target.value),
    }),
  );
}

function Labelled({ label, children }) {
  return h(
    Box,
    null,
    h(Text, { "aria-hidden": true, fontSize: "xs", fontWeight: "bold", color: "fg.muted", mb: "1" }, label),
    children,
  );
}
