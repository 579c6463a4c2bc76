/** What changed a record, run by run, newest first. */

import { Empty, HOME, Time, h } from "../../lib/ui.js";
import { Action, Fields, Place } from "../run/fields.js";
import { kindLabel } from "./standing.js";

const { Box, Flex, Grid, Stack, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

/**
 * Show the changes of a record under the runs that made them.
 *
 * @param {object} props
 * @param {object[]} props.changes Newest first.
 */
export function Timeline({ changes }) {
  if (changes.length === 0) {
    return h(
      Empty,
      { title: "The sync has never changed it" },
      "It was in the roster before the first run, or somebody made it by hand.",
    );
  }
  return h(
    Stack,
    { as: "ol", gap: "0", listStyleType: "none" },
    byRun(changes).map((group, index) => h(RunOfChanges, { key: index, group })),
  );
}

function byRun(changes) {
  const groups = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last && last[0].run_id === change.run_id) {
      last.push(change);
    } else {
      groups.push([change]);
    }
  }
  return groups.map(ownFirst);
}

/** Put what happened to the record itself before what happened to its assignments. */
function ownFirst(group) {
  return [...group].sort((one, next) => Number(Boolean(one.other)) - Number(Boolean(next.other)));
}

function RunOfChanges({ group }) {
  const [{ made_at: at, run_id: runId, requested_by: asked, credited_to: credited }] = group;
  return h(
    Box,
    {
      as: "li",
      position: "relative",
      borderInlineStartWidth: "2px",
      borderColor: "border.emphasized",
      ps: "5",
      pb: "5",
      _last: { pb: "0" },
      _before: {
        content: '""',
        position: "absolute",
        insetInlineStart: "-6px",
        top: "1.5",
        boxSize: "2.5",
        borderRadius: "full",
        bg: "border.info",
      },
    },
    h(
      Flex,
      { columnGap: "3", wrap: "wrap", align: "baseline", mb: "1" },
      h(Text, { fontWeight: "semibold" }, h(Time, { at })),
      h(RunLink, { runId }),
      h(
        Text,
        { color: "fg.muted", fontSize: "sm" },
        `asked by ${asked}`,
        credited && `, credited to ${credited}`,
      ),
    ),
    h(
      Box,
      { as: "ul", listStyleType: "none" },
      group.map((change, index) => h(Change, { key: index, change })),
    ),
  );
}

/**
 * A link to the page of a run.
 *
 * @param {object} props
 * @param {string} props.runId
 */
export function RunLink({ runId }) {
  return h(
    Box,
    { asChild: true, color: "fg.info", fontSize: "sm", _hover: { textDecoration: "underline" } },
    h(Link, { to: `${HOME}/runs/${runId}` }, `Run ${runId.slice(0, 8)}`),
  );
}

function Change({ change: { action, kind, other, fields, reason, file, row } }) {
  return h(
    Grid,
    {
      as: "li",
      templateColumns: { base: "minmax(0, 1fr)", md: "8rem minmax(0, 1fr) 22rem" },
      columnGap: "4",
      rowGap: "1",
      py: "2",
      fontSize: "sm",
      overflowWrap: "anywhere",
      borderTopWidth: "1px",
      borderColor: "border",
    },
    h(Action, { action }),
    h(
      Box,
      { minWidth: 0 },
      other && h(Text, null, `${kindLabel(kind)}: `, h(Text, { as: "b" }, other)),
      h(Fields, { fields }),
    ),
    h(
      Box,
      { minWidth: 0 },
      h(Text, null, reason),
      file && h(Text, { color: "fg.muted" }, h(Place, { file, row })),
    ),
  );
}
