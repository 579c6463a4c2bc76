/** The tabs of a run; the one that is open stands in the address. */

import { h } from "../../lib/ui.js";

const { Badge, Box, Tabs } = globalThis.ChakraUI;
const { useSearchParams } = globalThis.ReactRouterDOM;

/**
 * Show tabs that look like those of Airflow's own pages.
 *
 * @param {object} props
 * @param {{value: string, label: string, count?: number|null, hidden?: boolean, body: *}[]}
 *   props.tabs The first is open unless the address names another.
 */
export function RunTabs({ tabs }) {
  const [params, setParams] = useSearchParams();
  const shown = tabs.filter(({ hidden }) => !hidden);
  const asked = params.get("tab");
  const value = shown.some((tab) => tab.value === asked) ? asked : shown[0].value;
  function open(next) {
    setParams(
      (old) => {
        const changed = new URLSearchParams(old);
        changed.set("tab", next);
        return changed;
      },
      { replace: true },
    );
  }
  return h(
    Tabs.Root,
    {
      value,
      onValueChange: (details) => open(details.value),
      lazyMount: true,
      unmountOnExit: true,
      variant: "plain",
    },
    h(
      Tabs.List,
      {
        "aria-label": "Parts of the run",
        borderBottomWidth: "1px",
        borderColor: "border.emphasized",
        overflowX: "auto",
        overflowY: "hidden",
        width: "100%",
        gap: "0",
      },
      shown.map((tab) => h(Trigger, { key: tab.value, tab })),
    ),
    shown.map((tab) =>
      h(Tabs.Content, { key: tab.value, value: tab.value, pt: "4" }, h(Box, null, tab.body)),
    ),
  );
}

function Trigger({ tab: { value, label, count } }) {
  return h(
    Tabs.Trigger,
    {
      value,
      color: "fg.muted",
      flex: "none",
      fontWeight: "bold",
      height: "40px",
      px: { base: "1.5", md: "4" },
      borderRadius: "0",
      borderBottomWidth: "3px",
      borderColor: "transparent",
      _selected: { borderColor: "border.info", color: "fg", bg: "transparent" },
      _hover: { color: "fg" },
    },
    label,
    count
      ? h(Badge, { size: "xs", variant: "subtle", hideBelow: "md" }, count.toLocaleString("en"))
      : null,
  );
}
