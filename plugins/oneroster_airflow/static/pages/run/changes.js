/** The tab Changes: what a run did to the roster, or would do. */

import { Empty, Failure, HOME, Loading, h } from "../../lib/ui.js";
import { Action, Fields, Place, RecordName } from "./fields.js";
import { usePages, useSettled } from "./paging.js";
import { Rows } from "./rows.js";
import { Choice, More, SearchBox, Toolbar } from "./toolbar.js";
import { UndoDialog } from "./undo.js";

const { Box, Button, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useState } = globalThis.React;

const KINDS = [
  { value: "", label: "All kinds" },
  { value: "user", label: "Users" },
  { value: "course", label: "Courses" },
  { value: "assignment", label: "Course assignments" },
];

const ACTIONS = [
  { value: "", label: "All changes" },
  { value: "add", label: "Added" },
  { value: "update", label: "Updated" },
  { value: "adopt", label: "Adopted" },
  { value: "rekey", label: "New sourcedId" },
  { value: "deactivate", label: "Deactivated" },
  { value: "remove", label: "Removed" },
  { value: "reactivate", label: "Reactivated" },
];

/**
 * List the changes of a run.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Changes({ run }) {
  const [kind, setKind] = useState("");
  const [action, setAction] = useState("");
  const [words, setWords] = useState("");
  const [undone, setUndone] = useState(null);
  const q = useSettled(words);
  const list = usePages(`runs/${run.run_id}/changes`, { kind, action, q, limit: 50 }, "changes");
  const isFiltered = kind !== "" || action !== "" || q !== "";

  if (list.rows === null) {
    return list.problem
      ? h(Failure, { problem: list.problem, retry: list.reload })
      : h(Loading, { height: "24rem" });
  }
  if (list.rows.length === 0 && !isFiltered && !list.loading) {
    return h(NoChanges, { run });
  }
  const applied = list.answer?.applied ?? true;
  return h(
    Box,
    null,
    h(
      Toolbar,
      null,
      h(SearchBox, { label: "Search names and sourcedIds", value: words, onChange: setWords }),
      h(Choice, { label: "Kind", value: kind, onChange: setKind, choices: KINDS }),
      h(Choice, { label: "Change", value: action, onChange: setAction, choices: ACTIONS }),
    ),
    !applied &&
      h(
        Text,
        { color: "fg.muted", fontSize: "sm", mb: "3" },
        "None of this was applied: the list shows what this plan would change.",
      ),
    list.rows.length > 0 &&
      h(Rows, {
        caption: applied ? "What this run changed" : "What this run would change",
        columns: columns(run.site, applied, run.can.undo ? setUndone : null),
        rows: list.rows,
        rowKey: (_row, index) => index,
        busy: list.loading,
      }),
    list.rows.length === 0 &&
      !list.loading &&
      h(Empty, { title: "No change fits" }, "Search for something else, or choose all kinds and all changes."),
    h(More, { list, what: "changes", total: isFiltered ? null : run.has.changes }),
    run.can.undo &&
      h(UndoDialog, { run, open: undone !== null, close: () => setUndone(null), sourcedId: undone ?? "" }),
  );
}

function columns(site, applied, undo) {
  const shown = [
    {
      key: "action",
      label: "Change",
      width: "11rem",
      cell: ({ action, kind }) => h(Action, { action, kind, applied }),
    },
    {
      key: "record",
      label: "Record",
      width: "24%",
      cell: (row) => h(Named, { site, row }),
    },
    { key: "fields", label: "Before and after", cell: ({ fields }) => h(Fields, { fields }) },
    { key: "reason", label: "Reason", width: "18%", cell: ({ reason }) => reason },
    {
      key: "place",
      label: "From",
      width: "12rem",
      cell: ({ file, row }) => h(Place, { file, row }),
    },
  ];
  if (undo && applied) {
    shown.push({ key: "undo", label: "Undo", width: "5rem", cell: (row) => undoOf(row, undo) });
  }
  return shown;
}

/** A button for a user or a course; an assignment is taken back with one of its ends. */
function undoOf({ kind, label, sourced_id: id }, undo) {
  if (kind === "assignment" || !id) {
    return null;
  }
  return h(
    Button,
    {
      size: "xs",
      variant: "ghost",
      mt: "-1",
      ms: "-2",
      "aria-label": `Undo what changed of ${label || id}…`,
      title: "Take back what this run changed of it",
      onClick: () => undo(id),
    },
    "Undo…",
  );
}

/** A user or a course leads to its history; an assignment is named by both its ends. */
function Named({ site, row }) {
  const name = h(RecordName, { label: row.label, sourcedId: row.sourced_id });
  if (row.kind === "assignment" || !row.sourced_id) {
    return name;
  }
  const to = `${HOME}/sites/${encodeURIComponent(site)}/why?q=${encodeURIComponent(row.sourced_id)}`;
  return h(
    Box,
    { asChild: true, color: "fg.info", _hover: { textDecoration: "underline" } },
    h(Link, { to, title: "The history of this record" }, name),
  );
}

function NoChanges({ run }) {
  if (run.has.changes === null) {
    return h(
      Empty,
      { title: "There is no plan" },
      run.outcome === null
        ? "The plan is made in the stage diff. Its changes appear here as soon as it is."
        : "The run ended before a plan was made. The overview says why.",
    );
  }
  return h(
    Empty,
    { title: "Nothing had to be changed" },
    run.undoes ? "There was nothing to take back." : "The roster is as the package wants it.",
  );
}
