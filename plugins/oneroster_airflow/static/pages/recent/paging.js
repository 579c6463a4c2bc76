/** What stands below the list of runs: where one is in it, and the way on. */

import { h } from "../../lib/ui.js";
import { counted, number } from "../../lib/words.js";

const { Button, Flex, Text } = globalThis.ChakraUI;

const SIZE = 25;

/**
 * Lead to newer and older runs.
 *
 * @param {object} props
 * @param {object} props.data A page of runs.
 * @param {object} props.filters As `useFilters` returns them.
 */
export function Paging({ data, filters }) {
  const first = filters.page * SIZE + 1;
  const last = first + data.runs.length - 1;
  return h(
    Flex,
    { as: "nav", "aria-label": "Pages of the list", justify: "space-between", align: "center", mt: "3", gap: "3", wrap: "wrap" },
    h(
      Text,
      { color: "fg.muted", fontSize: "sm", role: "status" },
      data.total <= SIZE && filters.page === 0
        ? counted(data.total, "run")
        : `${number(first)} to ${number(last)} of ${counted(data.total, "run")}`,
    ),
    h(
      Flex,
      { gap: "2" },
      h(Button, { size: "sm", variant: "outline", disabled: filters.page === 0, onClick: filters.newer }, "Newer"),
      h(
        Button,
        { size: "sm", variant: "outline", disabled: !data.older, onClick: () => filters.older(data.older) },
        "Older",
      ),
    ),
  );
}
