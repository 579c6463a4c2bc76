/** The history of one person or course, newest first. */

import { useApi } from "../../lib/api.js";
import { Card, Empty, Failure, HOME, Loading, Page, Time, h } from "../../lib/ui.js";
import { Place } from "../run/fields.js";
import { Hash } from "../run/overview.js";
import { Rows } from "../run/rows.js";
import { Managed, Status, kindLabel } from "./standing.js";
import { RunLink, Timeline } from "./timeline.js";

const { Alert, Box, Button, Code, Flex, Stack, Text } = globalThis.ChakraUI;
const { Link, useParams } = globalThis.ReactRouterDOM;

/**
 * Show what a record is now, and each change that made it so.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Record({ may }) {
  const { site, kind, id } = useParams();
  const path = `sites/${encodeURIComponent(site)}/records/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;
  return h(RecordPage, { key: path, path, site, may });
}

function RecordPage({ path, site, may }) {
  const { data: record, problem, reload } = useApi(path);
  const frame = { site, may, tab: "why" };
  if (!record) {
    return h(
      Page,
      { ...frame, title: "Why?" },
      problem ? h(NotThere, { problem, reload, site }) : h(Loading, { height: "24rem" }),
    );
  }
  const again = h(
    Button,
    { asChild: true, size: "sm", variant: "outline" },
    h(Link, { to: `${HOME}/sites/${encodeURIComponent(site)}/why` }, "Another search"),
  );
  return h(
    Page,
    { ...frame, title: record.label || kindLabel(record.kind), actions: again },
    h(
      Stack,
      { gap: "4" },
      h(Standing, { record }),
      h(
        Card,
        { title: "What changed", hint: "Newest first, with the run and the row behind each change." },
        h(Timeline, { changes: record.changes }),
      ),
      h(
        Card,
        { title: "Findings about its rows", hint: "What the runs found wrong with the rows of this record." },
        h(Findings, { findings: record.findings }),
      ),
    ),
  );
}

function NotThere({ problem, reload, site }) {
  if (problem.status !== 404) {
    return h(Failure, { problem, retry: reload });
  }
  return h(
    Empty,
    { title: "There is no such record" },
    "It may be of another site. ",
    h(
      Box,
      { asChild: true, color: "fg.info", textDecoration: "underline" },
      h(Link, { to: `${HOME}/sites/${encodeURIComponent(site)}/why` }, "Search for it"),
    ),
    ".",
  );
}

function Standing({ record }) {
  const facts = [
    ["Kind", kindLabel(record.kind)],
    ["Status", h(Status, { record })],
    ["Kept by", h(Managed, { record })],
    ["sourcedId", record.sourced_id && h(Hash, { value: record.sourced_id, label: "the sourcedId", length: 60 })],
    ["E-mail", record.email],
    ["Role", record.role],
    ["In the roster since", record.created_at && h(Time, { at: record.created_at })],
  ].filter(([, value]) => value);
  return h(
    Box,
    { borderWidth: "1px", borderColor: "border.emphasized", borderRadius: "8px", p: "3" },
    h(
      Flex,
      { as: "dl", wrap: "wrap", columnGap: "8", rowGap: "3" },
      facts.map(([label, value]) =>
        h(
          Box,
          { key: label, minWidth: 0 },
          h(Text, { as: "dt", color: "fg.muted", fontSize: "xs", fontWeight: "bold" }, label),
          h(Box, { as: "dd", fontSize: "sm", m: "0", overflowWrap: "anywhere" }, value),
        ),
      ),
    ),
    record.protected &&
      h(
        Alert.Root,
        { status: "info", mt: "3", size: "sm" },
        h(Alert.Indicator),
        h(
          Alert.Content,
          null,
          h(Alert.Title, null, "The sync leaves this record as it is"),
          h(Alert.Description, null, record.protected),
        ),
      ),
  );
}

function Findings({ findings }) {
  if (findings.length === 0) {
    return h(Empty, { title: "Nothing was found wrong" }, "Its rows could always be used as they were.");
  }
  return h(Rows, {
    caption: "Findings about the rows of this record",
    rows: findings,
    rowKey: (_finding, index) => index,
    columns: [
      { key: "at", label: "When", width: "12.5rem", cell: (row) => h(When, { row }) },
      { key: "where", label: "Where", width: "16rem", cell: (row) => h(Where, { row }) },
      {
        key: "meaning",
        label: "What was wrong",
        cell: ({ meaning, expected }) =>
          h(
            Box,
            null,
            meaning,
            expected && h(Text, { color: "fg.muted", fontSize: "sm" }, `Expected: ${expected}`),
          ),
      },
      { key: "hint", label: "What to do", width: "24%", cell: ({ hint }) => hint },
      {
        key: "code",
        label: "Code",
        width: "15rem",
        cell: ({ code }) => h(Code, { size: "sm", variant: "surface" }, code),
      },
    ],
  });
}

function When({ row: { started_at: at, run_id: runId } }) {
  return h(Box, null, h(Time, { at }), h(Box, null, h(RunLink, { runId })));
}

function Where({ row: { file, row, column } }) {
  return h(
    Box,
    null,
    h(Place, { file, row }),
    column && h(Text, { color: "fg.muted", fontSize: "sm" }, `column ${column}`),
  );
}
