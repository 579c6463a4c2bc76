/** Sync enabled: the pause state of the scheduled DAG, which acts at once. */

import { put } from "../../lib/api.js";
import { Confirm, Failure, Time, h } from "../../lib/ui.js";
import { local, utc } from "../../lib/words.js";
import { READABLE, Section } from "./parts.js";

const { Box, Flex, Switch, Text } = globalThis.ChakraUI;
const { useEffect, useId, useState } = globalThis.React;

/**
 * Switch scheduled syncs on and off.
 *
 * @param {object} props
 * @param {object} props.latest The preferences as they were read last.
 * @param {boolean} props.isStale Whether reading them again failed since.
 * @param {boolean} props.isReadOnly
 * @param {boolean} props.isEdited Whether there are changes that are not saved.
 * @param {function(): void} props.reload
 */
export function SyncSwitch({ latest, isStale, isReadOnly, isEdited, reload }) {
  const [answer, setAnswer] = useState(null);
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const id = useId();
  useEffect(() => setAnswer(null), [latest]);

  const { enabled, next_run: nextRun } = answer ?? latest;
  const state = latest.archived_at ? "archived" : String(enabled);
  const set = async (isOn) => {
    setIsBusy(true);
    setProblem(null);
    try {
      setAnswer(await put(`sites/${latest.site}/enabled`, { enabled: isOn }));
      reload();
    } finally {
      setIsBusy(false);
    }
  };
  const toggle = (isOn) => {
    if (isOn) {
      setIsAsking(true);
    } else {
      set(false).catch(setProblem);
    }
  };

  return h(
    Section,
    {
      title: "Scheduled syncs",
      hint: "Acts at once, without saving. It is the pause of this site's DAG in Airflow: switched there, it shows here.",
    },
    h(
      Box,
      null,
      h(
        Switch.Root,
        {
          checked: enabled === true,
          disabled: isReadOnly || isBusy || enabled === null,
          colorPalette: "brand",
          size: "lg",
          onCheckedChange: (details) => toggle(details.checked),
        },
        h(Switch.HiddenInput, { "aria-describedby": id }),
        h(Switch.Control, READABLE),
        h(
          Switch.Label,
          { ...READABLE, fontWeight: "bold", fontSize: "md" },
          `Sync ${WORDS[state]}`,
        ),
      ),
      h(
        Box,
        { id, mt: "2", minHeight: "3em", role: "status" },
        h(Flex, { gap: "2", wrap: "wrap" }, h(NextRun, { state, nextRun })),
        h(
          Text,
          { color: isStale ? "fg.error" : "fg.muted", fontSize: "sm" },
          isStale ? STALE : MEANINGS[state],
        ),
      ),
      problem && h(Box, { mt: "2" }, h(Failure, { problem })),
    ),
    h(
      Confirm,
      {
        open: isAsking,
        onClose: () => setIsAsking(false),
        title: "Switch the sync on?",
        verb: "Switch on",
        onConfirm: () => set(true),
      },
      h(WhatFollows, { latest, isEdited }),
    ),
  );
}

const WORDS = { true: "enabled", false: "off", null: "not in Airflow yet", archived: "off" };
const MEANINGS = {
  true: "Missed times are never caught up with. Uploads run beside it, one after the other.",
  false: "Nothing runs by itself. Uploads still work, and change the roster as always.",
  null: "Airflow reads new DAGs every few minutes. This switch works as soon as it has read this site's.",
  archived: "The site is archived: no run of it begins, by the schedule or otherwise.",
};
const STALE = "The server does not answer right now, so this may be out of date. The page keeps asking.";

function NextRun({ state, nextRun }) {
  if (state !== "true") {
    return h(Text, null, state === "null" ? "Airflow has not read the DAG of this site." : "No sync is planned.");
  }
  if (!nextRun) {
    return h(Text, null, "Airflow plans the next run; this takes a few seconds.");
  }
  return h(
    Text,
    null,
    "Next run: ",
    h(Text, { as: "strong" }, h(Time, { at: nextRun, seconds: false })),
    h(Text, { as: "span", color: "fg.muted" }, ` · ${local(nextRun)}`),
  );
}

/** What switching on will do. */
function WhatFollows({ latest, isEdited }) {
  const next = latest.upcoming.find(({ skipped_because: pause }) => !pause);
  const { source, credited_admin: admin } = latest.settings;
  return h(
    Flex,
    { direction: "column", gap: "3" },
    next
      ? h(
          Text,
          null,
          "The first sync runs on ",
          h(Text, { as: "strong" }, utc(next.at, { seconds: false })),
          ` (${local(next.at)}), and from then on by the schedule.`,
        )
      : h(Text, null, "No sync is planned within the next ten years: look at the pauses."),
    h(Text, { color: "fg.muted", fontSize: "sm" }, "Nothing that was missed while it was off is caught up with. Limits hold a sync that would remove too much."),
    isEdited && h(Text, { color: "fg.warning" }, "You have changes that are not saved; they do not count yet."),
    !source && h(Text, { color: "fg.warning" }, "This site has no source: a scheduled sync will find nothing to read, and fail."),
    (!admin || !latest.credited_admin_active) &&
      h(Text, { color: "fg.warning" }, "The credited administrator is missing or not active: syncs will fail."),
  );
}
