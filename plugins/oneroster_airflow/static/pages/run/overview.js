/** The tab Overview: what a run came to in numbers, and its facts. */

import { Empty, HOME, Time, h } from "../../lib/ui.js";
import { MAPPINGS } from "../upload/kinds.js";

const { Box, Clipboard, Code, Flex, Grid, Heading, IconButton, Table, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

const NUMBERS = [
  ["Added", ["added"]],
  ["Updated", ["updated"]],
  ["Adopted", ["adopted"]],
  ["New sourcedId", ["rekeyed"]],
  ["Reactivated", ["reactivated"]],
  ["Deactivated or removed", ["deactivated", "removed"]],
  ["With errors, left as they are", ["errors"]],
  ["Ignored: not staff", ["ignored"]],
];

const KINDS = [
  ["users", "Users"],
  ["courses", "Courses"],
  ["assignments", "Course assignments"],
];

/**
 * Show the numbers and the facts of a run.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Overview({ run }) {
  return h(
    Grid,
    { templateColumns: { base: "minmax(0, 1fr)", lg: "repeat(2, minmax(0, 1fr))" }, gap: "6" },
    h(
      Box,
      { as: "section", "aria-labelledby": "numbers" },
      h(Heading, { as: "h2", size: "sm", id: "numbers", mb: "2" }, headingOf(run)),
      run.counts ? h(Counts, { counts: run.counts }) : h(NoCounts, { run }),
    ),
    h(
      Box,
      { as: "section", "aria-labelledby": "facts" },
      h(Heading, { as: "h2", size: "sm", id: "facts", mb: "2" }, "Facts"),
      h(Facts, { run }),
    ),
  );
}

function headingOf(run) {
  if (run.applied_at || run.outcome === "no_changes" || !run.counts) {
    return "What changed";
  }
  return "What would change";
}

function NoCounts({ run }) {
  return run.outcome === null
    ? h(Empty, { title: "Not counted yet" }, "The numbers appear when the plan has been made.")
    : h(Empty, { title: "Nothing was changed" }, "The run ended before a plan was made.");
}

/**
 * The numbers of a run as a table.
 *
 * @param {object} props
 * @param {object} props.counts
 * @param {boolean} [props.isShort] Whether rows of nothing but zeros are left out.
 */
export function Counts({ counts, isShort = false }) {
  const rows = NUMBERS.filter(([, keys]) =>
    KINDS.some(([kind]) => (isShort ? count(counts[kind], keys) : count(counts[kind], keys) !== null)),
  );
  return h(
    Table.Root,
    { size: "sm", bg: "transparent" },
    h(Table.Caption, { srOnly: true }, "How many users, courses and course assignments"),
    h(
      Table.Header,
      null,
      h(
        Table.Row,
        { bg: "transparent" },
        h(Table.ColumnHeader, { scope: "col" }, h(Text, { as: "span", srOnly: true }, "Change")),
        KINDS.map(([kind, label]) =>
          h(Table.ColumnHeader, { key: kind, scope: "col", textAlign: "end" }, label),
        ),
      ),
    ),
    h(
      Table.Body,
      null,
      rows.map(([label, keys]) =>
        h(
          Table.Row,
          { key: label, bg: "transparent" },
          h(Table.Cell, { as: "th", scope: "row", fontWeight: "normal", textAlign: "start" }, label),
          KINDS.map(([kind]) => h(Count, { key: kind, value: count(counts[kind], keys), keys })),
        ),
      ),
    ),
  );
}

function count(numbers, keys) {
  const known = keys.filter((key) => numbers?.[key] !== undefined);
  return known.length === 0 ? null : known.reduce((sum, key) => sum + numbers[key], 0);
}

function Count({ value, keys }) {
  const isBad = keys.includes("errors") && value > 0;
  return h(
    Table.Cell,
    {
      textAlign: "end",
      fontVariantNumeric: "tabular-nums",
      color: isBad ? "error.fg" : value ? "fg" : "fg.muted",
      fontWeight: value ? "semibold" : "normal",
    },
    value === null ? h("span", { "aria-label": "does not apply" }, "–") : value.toLocaleString("en"),
  );
}

function Facts({ run }) {
  const facts = [
    ["Ended", run.ended_at && h(Time, { at: run.ended_at })],
    ["Applied", run.applied_at && h(Time, { at: run.applied_at })],
    ["Decision", run.decision && run.outcome !== "discarded" && h(Decision, { decision: run.decision })],
    ["Package", run.package && h(Text, { as: "span", overflowWrap: "anywhere" }, run.package)],
    ["Packages", run.packages.length > 1 && h(Text, { as: "span", overflowWrap: "anywhere" }, run.packages.join(", "))],
    ["sha256", run.sha256 && h(Hash, { value: run.sha256, label: "the sha256 of the package" })],
    ["OneRoster", run.oneroster_version ?? (isUnreadable(run) && "No version could be told.")],
    ["Plan", run.plan_hash && h(Hash, { value: run.plan_hash, label: "the hash of the plan" })],
    ["DAG run", run.dag_run && h(DagRunLink, { dagRun: run.dag_run })],
    ["Run", h(Hash, { value: run.run_id, label: "the id of the run", length: 8 })],
  ].filter(([, value]) => value);
  return h(
    Grid,
    { as: "dl", templateColumns: "8rem minmax(0, 1fr)", columnGap: "3", rowGap: "1.5", fontSize: "sm" },
    facts.flatMap(([label, value]) => [
      h(Box, { key: `${label}-dt`, as: "dt", color: "fg.muted" }, label),
      h(Box, { key: `${label}-dd`, as: "dd", m: "0", minWidth: 0 }, value),
    ]),
  );
}

/** Whether the package of a rejected run does not even tell of which version it is. */
function isUnreadable(run) {
  const isMapping = MAPPINGS.some(({ kind }) => kind === run.kind);
  return run.outcome === "rejected" && run.sha256 && !isMapping;
}

/** Who decided about the plan, when and why. */
export function Decision({ decision: { decision, by, at, reason } }) {
  return h(
    Text,
    { as: "span" },
    `${decision === "approved" ? "Approved" : "Discarded"} by ${by}, `,
    h(Time, { at }),
    reason && `: “${reason}”`,
  );
}

/**
 * A link to the page of another run.
 *
 * @param {object} props
 * @param {string} props.id
 */
export function RunLink({ id }) {
  return h(
    Box,
    { asChild: true, color: "fg.info", _hover: { textDecoration: "underline" } },
    h(Link, { to: `${HOME}/runs/${id}` }, `run ${id.slice(0, 8)}`),
  );
}

/**
 * A link to the page that Airflow itself has of the DAG run.
 *
 * @param {object} props
 * @param {{dag_id: string, dag_run_id: string}} props.dagRun
 * @param {*} [props.children] What the link says; the id of the DAG run when left out.
 */
export function DagRunLink({ dagRun, children }) {
  return h(
    Box,
    { asChild: true, color: "fg.info", overflowWrap: "anywhere", _hover: { textDecoration: "underline" } },
    h(Link, { to: addressOf(dagRun) }, children ?? dagRun.dag_run_id),
  );
}

/**
 * Return where Airflow shows a DAG run.
 *
 * @param {{dag_id: string, dag_run_id: string}} dagRun
 * @returns {string}
 */
export function addressOf({ dag_id: dagId, dag_run_id: runId }) {
  return `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
}

/**
 * The beginning of a hash, and a button that copies all of it.
 *
 * @param {object} props
 * @param {string} props.value
 * @param {string} props.label What is copied, for the name of the button.
 * @param {number} [props.length] How much is shown.
 */
export function Hash({ value, label, length = 12 }) {
  return h(
    Clipboard.Root,
    { value, display: "inline-flex" },
    h(
      Flex,
      { align: "center", gap: "1" },
      h(Code, { size: "sm", variant: "surface", title: value }, value.slice(0, length)),
      h(
        Clipboard.Trigger,
        { asChild: true },
        h(
          IconButton,
          { size: "2xs", variant: "ghost", "aria-label": `Copy ${label}`, title: `Copy ${label}` },
          h(Clipboard.Indicator),
        ),
      ),
    ),
  );
}
