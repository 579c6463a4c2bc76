/** The row of filters above a list. */

import { h } from "../../lib/ui.js";

const { Box, Button, Flex, Input, NativeSelect, Text } = globalThis.ChakraUI;

/** Lay filters out in a row that wraps. */
export function Toolbar({ children }) {
  return h(Flex, { wrap: "wrap", gap: "2", align: "center", mb: "3" }, children);
}

/**
 * A box to search in.
 *
 * @param {object} props
 * @param {string} props.label Read aloud, and shown while the box is empty.
 * @param {string} props.value
 * @param {function(string): void} props.onChange
 */
export function SearchBox({ label, value, onChange }) {
  return h(
    Box,
    { width: { base: "100%", md: "20rem" } },
    h(Input, {
      type: "search",
      size: "sm",
      "aria-label": label,
      placeholder: label,
      value,
      maxLength: 200,
      onChange: (event) => onChange(event.target.value),
    }),
  );
}

/**
 * A list to choose one of.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {string} props.value
 * @param {function(string): void} props.onChange
 * @param {{value: string, label: string}[]} props.choices
 */
export function Choice({ label, value, onChange, choices }) {
  return h(
    NativeSelect.Root,
    { size: "sm", width: "auto", minWidth: "10rem" },
    h(
      NativeSelect.Field,
      { "aria-label": label, value, onChange: (event) => onChange(event.target.value) },
      choices.map((choice) => h("option", { key: choice.value, value: choice.value }, choice.label)),
    ),
    h(NativeSelect.Indicator),
  );
}

/**
 * What stands below a list that is read page by page: how much is shown, and a way to more.
 *
 * @param {object} props
 * @param {object} props.list As `usePages` gives it.
 * @param {string} props.what What the rows are, in the plural.
 * @param {number|null} [props.total] How many there are, where that is known.
 */
export function More({ list, what, total = null }) {
  const count = list.rows?.length ?? 0;
  const all = total ? ` of ${total.toLocaleString("en")}` : "";
  return h(
    Flex,
    { mt: "3", gap: "3", align: "center", wrap: "wrap", minHeight: "8" },
    count > 0 &&
      h(
        Text,
        { color: "fg.muted", fontSize: "sm", role: "status" },
        list.hasMore
          ? `The first ${count.toLocaleString("en")}${all} ${what}`
          : `${count.toLocaleString("en")} ${count === 1 ? what.replace(/s$/, "") : what}`,
      ),
    list.hasMore &&
      h(
        Button,
        { size: "sm", variant: "outline", loading: list.loading, onClick: list.more },
        "Show more",
      ),
    list.problem &&
      count > 0 &&
      h(Text, { color: "error.fg", fontSize: "sm", role: "alert" }, list.problem.detail),
  );
}
