/** Who saved or switched what, the newest first. */

import { useApi } from "../../lib/api.js";
import { Empty, Failure, Loading, Time, h } from "../../lib/ui.js";
import { byWhom, inWords } from "./in_words.js";
import { SETTINGS, differences, valueAt } from "./settings.js";

const { Box, Button, Flex, Text } = globalThis.ChakraUI;
const { useEffect, useId, useState } = globalThis.React;

const SHOWN = 20;
const PARTED = new Set(["guards", "notices"]);
const EVENTS = {
  preferences_saved: "saved the preferences",
  sync_enabled: "switched the sync on",
  sync_disabled: "switched the sync off",
};

/**
 * Show the last saves when somebody wants to see them.
 *
 * @param {object} props
 * @param {string} props.site
 * @param {string} props.state Changes whenever there may be something new.
 */
export function History({ site, state }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  return h(
    Box,
    { as: "section", "aria-label": "History", my: "4" },
    h(
      Button,
      {
        type: "button",
        size: "sm",
        variant: "ghost",
        "aria-expanded": isOpen,
        "aria-controls": id,
        onClick: () => setIsOpen(!isOpen),
      },
      h(Box, { as: "span", "aria-hidden": true }, isOpen ? "▾" : "▸"),
      "Who changed what",
    ),
    h(Box, { id, hidden: !isOpen, mt: "2" }, isOpen && h(Saves, { site, state })),
  );
}

function Saves({ site, state }) {
  const { data, problem, reload } = useApi(`sites/${site}/preferences/saves`, {
    params: { limit: SHOWN },
  });
  useEffect(() => reload(), [state, reload]);
  if (!data) {
    return problem ? h(Failure, { problem, retry: reload }) : h(Loading, { height: "8rem" });
  }
  if (data.saves.length === 0) {
    return h(Empty, { title: "Nothing was changed yet" });
  }
  return h(
    Box,
    { as: "ol", listStyleType: "none", borderTopWidth: "1px", borderColor: "border" },
    data.saves.map((save, index) => h(Save, { key: `${save.at} ${index}`, save })),
  );
}

function Save({ save: { at, actor, event, changes } }) {
  const lines = changes.flatMap(linesOf);
  return h(
    Flex,
    {
      as: "li",
      columnGap: "6",
      rowGap: "1",
      wrap: "wrap",
      py: "3",
      px: "2",
      borderBottomWidth: "1px",
      borderColor: "border",
      fontSize: "sm",
    },
    h(Text, { color: "fg.muted", flex: "0 0 11rem" }, h(Time, { at })),
    h(
      Box,
      { flex: "1 1 20rem", minWidth: 0 },
      h(Text, null, h(Text, { as: "strong" }, byWhom(actor)), ` ${EVENTS[event] ?? event}`),
      event === "preferences_saved" && lines.length === 0 && h(Text, { color: "fg.muted" }, "Nothing was different."),
      h(
        Box,
        { as: "dl" },
        lines.map(({ label, before, after }) => h(Line, { key: label, label, before, after })),
      ),
    ),
  );
}

function Line({ label, before, after }) {
  return h(
    Flex,
    { columnGap: "2", wrap: "wrap", overflowWrap: "anywhere" },
    h(Box, { as: "dt", color: "fg.muted" }, after === null ? label : `${label}:`),
    after !== null &&
      h(
        Box,
        { as: "dd", m: "0" },
        before !== null && h(Text, { as: "span", color: "fg.muted" }, `${before} → `),
        after,
      ),
  );
}

/** Return what a changed field comes to; of limits and of notices each setting by itself. */
function linesOf({ field, before, after }) {
  if (field === "credited_admin_id") {
    return [{ label: "Another credited administrator", before: null, after: null }];
  }
  const was = { [field]: before };
  const is = { [field]: after };
  const settings = PARTED.has(field) ? differences(was, is) : SETTINGS.filter(({ path }) => path === field);
  return settings.map(({ path, label }) => ({
    label,
    before: before === null ? null : inWords(path, valueAt(was, path)),
    after: inWords(path, valueAt(is, path)),
  }));
}
