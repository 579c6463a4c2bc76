/** Two people saved at once: both values of every setting, and a choice for each. */

import { Framed, h } from "../../lib/ui.js";
import { utc } from "../../lib/words.js";
import { byWhom, inWords } from "./in_words.js";
import { differences, valueAt, withValue } from "./settings.js";

const { Badge, Button, CloseButton, Dialog, Flex, Grid, RadioCard, Text } =
  globalThis.ChakraUI;
const { useEffect, useState } = globalThis.React;

/**
 * Show what somebody else saved beside what is being saved, and save what is chosen.
 *
 * @param {object} props
 * @param {object} props.form As `usePreferencesForm` gives it; open while it has a conflict.
 */
export function Conflict({ form }) {
  const theirs = form.conflict;
  const [choices, setChoices] = useState({});
  useEffect(() => setChoices({}), [theirs?.version]);
  const close = () => form.showConflict(null);
  return h(
    Framed,
    {
      open: theirs !== null,
      size: "lg",
      scrollBehavior: "inside",
      closeOnInteractOutside: false,
      onOpenChange: (event) => !event.open && !form.isBusy && close(),
    },
    theirs && h(Compared, { form, theirs, choices, setChoices, close }),
    h(
      Dialog.CloseTrigger,
      { asChild: true },
      h(CloseButton, { size: "sm", "aria-label": "Close", disabled: form.isBusy }),
    ),
  );
}

function Compared({ form, theirs, choices, setChoices, close }) {
  const rows = compared(form.base.settings, theirs.settings, form.settings);
  const chosen = (row) => choices[row.path] ?? row.preset;
  const open = rows.filter((row) => !chosen(row)).length;
  const save = () => {
    let settings = theirs.settings;
    for (const row of rows) {
      if (chosen(row) === "yours") {
        settings = withValue(settings, row.path, valueAt(form.settings, row.path));
      }
    }
    form.send(settings, theirs.version);
  };
  return h(
    globalThis.React.Fragment,
    null,
    h(Dialog.Header, null, h(Dialog.Title, null, "Somebody else saved too")),
    h(
      Dialog.Body,
      null,
      h(
        Text,
        { mb: "4" },
        `${byWhom(theirs.saved_by)} saved these preferences on ${utc(theirs.saved_at)}, while you were changing them. `,
        rows.length
          ? "Choose what shall hold; nothing is saved until you say so."
          : "Both are the same: there is nothing to choose.",
      ),
      h(
        Grid,
        { gap: "5" },
        rows.map((row) =>
          h(Row, {
            key: row.path,
            row,
            who: byWhom(theirs.saved_by),
            value: chosen(row) ?? null,
            onChange: (value) => setChoices((old) => ({ ...old, [row.path]: value })),
          }),
        ),
      ),
    ),
    h(
      Dialog.Footer,
      { flexWrap: "wrap" },
      h(
        Text,
        { role: "status", color: "fg.muted", fontSize: "sm", flex: "1 1 8rem" },
        stillOpen(open),
      ),
      h(Button, { variant: "outline", disabled: form.isBusy, onClick: close }, "Back to editing"),
      h(
        Button,
        { colorPalette: "brand", disabled: open > 0, loading: form.isBusy, onClick: save },
        "Save again",
      ),
    ),
  );
}

function stillOpen(count) {
  if (count === 0) {
    return "";
  }
  return count === 1 ? "One setting is still to choose." : `${count} settings are still to choose.`;
}

function changedBy(by, who) {
  return { both: "You both changed it", yours: "Only you changed it" }[by] ?? `Only ${who} changed it`;
}

function Row({ row, who, value, onChange }) {
  return h(
    RadioCard.Root,
    {
      value,
      onValueChange: (details) => onChange(details.value),
      colorPalette: "brand",
      size: "sm",
      gap: "0",
    },
    h(
      RadioCard.Label,
      { mb: "1", width: "100%" },
      h(
        Flex,
        { gap: "2", align: "center" },
        h(Text, { as: "span", fontWeight: "bold" }, row.label),
        h(
          Badge,
          { size: "sm", variant: "subtle", colorPalette: row.preset ? "gray" : "warning" },
          changedBy(row.by, who),
        ),
      ),
    ),
    h(
      Grid,
      { gap: "2", templateColumns: { base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" } },
      h(Side, { value: "theirs", title: who, words: row.theirs }),
      h(Side, { value: "yours", title: "You", words: row.yours }),
    ),
  );
}

function Side({ value, title, words }) {
  return h(
    RadioCard.Item,
    { value },
    h(RadioCard.ItemHiddenInput),
    h(
      RadioCard.ItemControl,
      null,
      h(
        RadioCard.ItemContent,
        null,
        h(RadioCard.ItemDescription, { color: "fg.muted", opacity: 1 }, title),
        h(RadioCard.ItemText, { overflowWrap: "anywhere" }, words),
      ),
      h(RadioCard.ItemIndicator),
    ),
  );
}

/** Every setting in which both differ; where one person only changed it, theirs is preset. */
function compared(base, theirs, yours) {
  const byThem = new Set(differences(base, theirs).map(({ path }) => path));
  const byYou = new Set(differences(base, yours).map(({ path }) => path));
  return differences(theirs, yours).map(({ path, label }) => {
    const by = byYou.has(path) ? (byThem.has(path) ? "both" : "yours") : "theirs";
    return {
      path,
      label,
      by,
      preset: by === "both" ? null : by,
      theirs: inWords(path, valueAt(theirs, path)),
      yours: inWords(path, valueAt(yours, path)),
    };
  });
}

