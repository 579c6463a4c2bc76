/** The tab Changes: what a run did to the roster, or would do. */

import { Box, Button, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link, useSearchParams } from "react-router-dom";
import { url, usePages } from "../../lib/api";
import type { Change, RunDetail } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading } from "../../lib/ui";
import { Action, Fields, Place, RecordName } from "./fields";
import { Choice, type Column, More, Rows, SearchBox, Toolbar, useSettled } from "./lists";
import { UndoDialog } from "./undo";
import { ACTIONS, KIND_OF, PLURALS } from "../../words/records";
import { capital } from "../../lib/words";
import { EMPTY } from "../../words/empty";

const ALL_KINDS = [
  { value: "", label: "All kinds" },
  ...Object.entries(KIND_OF).map(([value, kind]) => ({ value, label: capital(PLURALS[kind]) })),
];

const ALL_ACTIONS = [
  { value: "", label: "All changes" },
  ...Object.entries(ACTIONS).map(([value, { done: label }]) => ({ value, label })),
];

/** List the changes of a run. */
export function Changes({ run }: { run: RunDetail }) {
  const [params, setParams] = useSearchParams();
  const [kind, setKind] = useState(params.get("kind") ?? "");
  const [action, setAction] = useState(params.get("action") ?? "");
  const [words, setWords] = useState("");
  const school = params.get("school") ?? "";
  const allSchools = () =>
    setParams(
      (old) => {
        const others = new URLSearchParams(old);
        others.delete("school");
        return others;
      },
      { replace: true },
    );
  const [undone, setUndone] = useState<string | null>(null);
  const q = useSettled(words);
  const filters = { kind, action, q, school };
  const list = usePages(`runs/${run.run_id}/changes`, { ...filters, limit: 50 }, "changes");
  const isFiltered = kind !== "" || action !== "" || q !== "" || school !== "";
  const named = run.schools.find((one) => one.school === school)?.name ?? school;

  if (list.rows === null) {
    return list.problem ? (
      <Failure problem={list.problem} retry={list.reload} />
    ) : (
      <Loading height="24rem" />
    );
  }
  if (list.rows.length === 0 && !isFiltered && !list.loading) {
    return <NoChanges run={run} />;
  }
  const applied = list.answer?.applied ?? true;
  return (
    <Box>
      <Toolbar>
        <SearchBox label="Search names and sourcedIds" value={words} onChange={setWords} />
        <Choice label="Kind" value={kind} onChange={setKind} choices={ALL_KINDS} />
        <Choice label="Change" value={action} onChange={setAction} choices={ALL_ACTIONS} />
        {school && (
          <Button size="sm" variant="subtle" onClick={allSchools}>{`School: ${named} ×`}</Button>
        )}
        <Box flex="1" />
        <Button asChild variant="outline" size="sm">
          <a
            href={url(`runs/${run.run_id}/changes.csv`, filters)}
            download={`changes-${run.run_id}.csv`}
          >
            Download CSV
          </a>
        </Button>
      </Toolbar>
      {!applied && (
        <Text color="fg.muted" fontSize="sm" mb="3">
          None of this was applied: the list shows what this plan would change.
        </Text>
      )}
      {list.rows.length > 0 && (
        <Rows
          caption={applied ? "What this run changed" : "What this run would change"}
          columns={columns(run.site, applied, run.can.undo ? setUndone : null)}
          rows={list.rows}
          rowKey={(_row, index) => index}
          busy={list.loading}
        />
      )}
      {list.rows.length === 0 && !list.loading && <Empty {...EMPTY.changes} />}
      <More list={list} what="changes" total={isFiltered ? null : run.has.changes} />
      {run.can.undo && (
        <UndoDialog
          run={run}
          open={undone !== null}
          close={() => setUndone(null)}
          sourcedId={undone ?? ""}
        />
      )}
    </Box>
  );
}

function columns(site: string, applied: boolean, undo: ((id: string) => void) | null) {
  const shown: Column<Change>[] = [
    {
      key: "action",
      label: "Change",
      width: "11rem",
      cell: ({ action, kind }) => <Action action={action} kind={kind} applied={applied} />,
    },
    {
      key: "record",
      label: "Record",
      width: "20%",
      cell: (row) => <Named site={site} row={row} />,
    },
    {
      key: "school",
      label: "School, role, e-mail",
      width: "22%",
      cell: ({ schools, role, email }) => (
        <Box>
          {schools.length > 0 && <Text>{schools.join(", ")}</Text>}
          <Text color="fg.muted" fontSize="sm" overflowWrap="anywhere">
            {role}
            {role && email && " · "}
            {email && (
              <Box as="span" display="inline-block" maxWidth="100%">
                {email}
              </Box>
            )}
          </Text>
        </Box>
      ),
    },
    { key: "fields", label: "Before and after", cell: ({ fields }) => <Fields fields={fields} /> },
    { key: "reason", label: "Reason", width: "14%", cell: ({ reason }) => reason },
    {
      key: "place",
      label: "From",
      width: "9rem",
      cell: ({ file, row }) => <Place file={file} row={row} />,
    },
  ];
  if (undo && applied) {
    shown.push({ key: "undo", label: "Undo", width: "5rem", cell: (row) => undoOf(row, undo) });
  }
  return shown;
}

/** A button for a user or a course; an assignment is taken back with one of its ends. */
function undoOf({ kind, label, sourced_id: id }: Change, undo: (id: string) => void) {
  if (kind === "assignment" || !id) {
    return null;
  }
  return (
    <Button
      size="xs"
      variant="ghost"
      mt="-1"
      ms="-2"
      aria-label={`Undo what changed of ${label || id}…`}
      title="Take back what this run changed of it"
      onClick={() => undo(id)}
    >
      Undo…
    </Button>
  );
}

/** A user or a course leads to its history; an assignment is named by both its ends. */
function Named({ site, row }: { site: string; row: Change }) {
  const name = <RecordName label={row.label} sourcedId={row.sourced_id} />;
  if (row.kind === "assignment" || !row.sourced_id) {
    return name;
  }
  const to = `${HOME}/sites/${encodeURIComponent(site)}/why?q=${encodeURIComponent(row.sourced_id)}`;
  return (
    <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
      <Link to={to} title="The history of this record">
        {name}
      </Link>
    </Box>
  );
}

function NoChanges({ run }: { run: RunDetail }) {
  if (run.has.changes === null) {
    return <Empty {...(run.outcome === null ? EMPTY.noPlanYet : EMPTY.noPlan)} />;
  }
  return <Empty {...(run.undoes ? EMPTY.nothingToUndo : EMPTY.inStep)} />;
}
