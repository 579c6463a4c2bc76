/** The next syncs, with the schedule as it is being edited. */

import { post } from "../../lib/api.js";
import { h } from "../../lib/ui.js";
import { capital } from "../../lib/words.js";
import { useForm } from "./parts.js";
import { problemsIn } from "./checks.js";
import { same, valueAt } from "./settings.js";
import { isUtc, localShort, utcShort, viewersZone } from "./zone.js";

const { Box, Heading, Table, Text } = globalThis.ChakraUI;
const { useEffect, useState } = globalThis.React;

const TYPING_MS = 300;
const PARTS = ["days", "time_utc", "pause_windows", "create_only_until", "guards.raised"];

/** Five syncs to come, in UTC and in the viewer's zone, what is special about them, and the pauses. */
export function Upcoming() {
  const { base, settings, latest, site } = useForm();
  const isEdited = PARTS.some((part) => !same(valueAt(base.settings, part), valueAt(settings, part)));
  const preview = usePreview(site, isEdited ? settings : null, base.settings);
  const lines = isEdited ? (preview.lines ?? latest.upcoming) : latest.upcoming;
  const words = preview.words ?? (latest.archived_at ? RESTS : latest.enabled === false ? OFF : EDITED[String(isEdited)]);
  return h(
    Box,
    { bg: "bg.muted", borderRadius: "8px", p: { base: "3", md: "4" }, minHeight: "17rem" },
    h(Heading, { as: "h3", size: "sm", mb: "1" }, "The next five syncs"),
    h(
      Text,
      { color: preview.words ? "fg.error" : "fg.muted", fontSize: "xs", mb: "2", minHeight: "2.5em" },
      words,
    ),
    h(Lines, { lines, isOld: preview.isBusy || Boolean(preview.words) }),
  );
}

const EDITED = {
  true: "As they will be when you save.",
  false: "As they stand.",
};
const RESTS = "The site is archived, so none of these comes.";
const OFF = "The sync is off: none of them runs until it is switched on.";

function Lines({ lines, isOld }) {
  const inUtc = isUtc();
  if (lines.length === 0) {
    return h(Text, { color: "fg.muted", fontSize: "sm" }, "None within the next ten years.");
  }
  return h(
    Table.Root,
    { size: "sm", bg: "transparent", opacity: isOld ? 0.5 : 1, "aria-busy": isOld },
    h(
      Table.Header,
      null,
      h(
        Table.Row,
        { bg: "transparent" },
        h(Table.ColumnHeader, { scope: "col", ps: "0" }, "UTC"),
        !inUtc && h(Table.ColumnHeader, { scope: "col", px: "0" }, viewersZone().replaceAll("_", " ")),
      ),
    ),
    h(
      Table.Body,
      null,
      lines.map((line) => h(Line, { key: `${line.at} ${line.skipped_because}`, line, inUtc })),
    ),
  );
}

function Line({ line: { at, skipped_because: pause, notes }, inUtc }) {
  if (pause) {
    return h(
      Table.Row,
      { bg: "transparent" },
      h(
        Table.Cell,
        { colSpan: inUtc ? 1 : 2, px: "0", color: "fg.muted", fontStyle: "italic" },
        `Paused: ${pause}`,
      ),
    );
  }
  return h(
    Table.Row,
    { bg: "transparent" },
    h(
      Table.Cell,
      { ps: "0", pe: "2", verticalAlign: "top" },
      h("time", { dateTime: at, style: { whiteSpace: "nowrap" } }, utcShort(at)),
      notes.map((note) => h(Text, { key: note, color: "fg.warning", fontSize: "xs" }, capital(note))),
    ),
    !inUtc &&
      h(
        Table.Cell,
        { px: "0", verticalAlign: "top", whiteSpace: "nowrap", color: "fg.muted" },
        localShort(at),
      ),
  );
}

/** Ask for the syncs of a schedule that has not been saved, a moment after the last key. */
function usePreview(site, settings, saved) {
  const [state, setState] = useState({ asked: null, lines: null, words: null });
  const schedule = settings && {
    days: settings.days,
    time_utc: settings.time_utc,
    pause_windows: settings.pause_windows.filter((one) => one.first_on && one.last_on),
    create_only_until: settings.create_only_until || null,
    raised: usable(settings.guards.raised),
  };
  const asked = schedule && JSON.stringify(schedule);
  const wrong =
    settings &&
    problemsIn(settings, saved).find(
      ({ field, message }) =>
        ["days", "time_utc"].includes(field) || (field.startsWith("pause_windows") && message.includes("before")),
    );
  const told = wrong?.message ?? null;

  useEffect(() => {
    if (!asked || told) {
      return undefined;
    }
    const control = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const path = `sites/${site}/preferences/upcoming`;
        const { upcoming } = await post(path, JSON.parse(asked), control.signal);
        setState({ asked, lines: upcoming, words: null });
      } catch (problem) {
        if (!control.signal.aborted) {
          setState((old) => ({ ...old, asked, words: problem.detail }));
        }
      }
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [site, asked, told]);

  if (!asked) {
    return { lines: null, words: null, isBusy: false };
  }
  const words = told ?? (state.asked === asked ? state.words : null);
  return { lines: state.lines, words, isBusy: state.asked !== asked };
}

/** Return a raised limit once it can be used: while it is being typed it is left out. */
function usable(raised) {
  const counts = raised && raised.until !== "" && raised.percent >= 0 && raised.percent <= 100;
  return counts && typeof raised.percent === "number" ? raised : null;
}
