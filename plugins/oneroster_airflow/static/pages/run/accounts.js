/** The tab Accounts: accounts that were made by hand, and who of the package each may belong to. */

import { url } from "../../lib/api.js";
import { Empty, Failure, HOME, Loading, h } from "../../lib/ui.js";
import { number } from "../../lib/words.js";
import { RecordName } from "./fields.js";
import { usePages } from "./paging.js";
import { Rows } from "./rows.js";
import { Choice, More, Toolbar } from "./toolbar.js";

const { Badge, Box, Button, Code, Grid, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useState } = globalThis.React;

const SORTS = {
  login: { label: "Same login", palette: "green", meaning: "The account has the login of this person. The sync links both." },
  name: { label: "Same name", palette: "blue", meaning: "Both names are the same, and nobody else has them." },
  mailbox: { label: "Same mailbox", palette: "blue", meaning: "The address is the same up to the @, and nobody else has it." },
  linked: { label: "Linked before", palette: "purple", meaning: "An earlier run linked it. The sync does not manage it." },
  orphan: { label: "Like nobody", palette: "orange", meaning: "It is active, and nobody in the package is like it." },
};

/**
 * List the accounts that were made by hand.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {object} props.may
 */
export function Accounts({ run, may }) {
  const [how, setHow] = useState("");
  const list = usePages(`runs/${run.run_id}/adoption`, { how, limit: 50 }, "accounts");
  if (list.rows === null) {
    return list.problem
      ? h(Failure, { problem: list.problem, retry: list.reload })
      : h(Loading, { height: "24rem" });
  }
  const { counts } = list.answer;
  const total = how ? counts[how] : Object.values(counts).reduce((sum, count) => sum + count, 0);
  return h(
    Box,
    null,
    h(Meaning, { run, may }),
    h(Numbers, { counts }),
    h(
      Toolbar,
      null,
      h(Choice, { label: "How they are alike", value: how, onChange: setHow, choices: choicesOf(counts) }),
      h(Box, { flex: "1" }),
      h(
        Button,
        { asChild: true, variant: "outline", size: "sm" },
        h(
          "a",
          { href: url(`runs/${run.run_id}/adoption.csv`), download: `adoption-${run.run_id}.csv` },
          "Download as CSV",
        ),
      ),
    ),
    list.rows.length > 0
      ? h(Rows, {
          caption: "Accounts that were made by hand",
          columns: COLUMNS,
          rows: list.rows,
          rowKey: ({ account }) => account.id,
          busy: list.loading,
        })
      : h(Empty, { title: "No account is of this sort" }),
    h(More, { list, what: "accounts", total }),
  );
}

function Meaning({ run, may }) {
  return h(
    Box,
    { fontSize: "sm", mb: "4", maxWidth: "60rem" },
    h(
      Text,
      null,
      "These accounts were made by hand. A sync links the one that has a person's login, and goes no further by itself; the others are only alike.",
    ),
    h(
      Text,
      { color: "fg.muted", mt: "1" },
      "To say whose they are: download the CSV, delete the lines that are wrong, fill in a sourcedId where you know it, and upload the file as ",
      h(Code, { size: "sm" }, "links.csv"),
      ". From then on the sync manages these accounts. A person whom a sync has added already keeps the account that it made. ",
      may.administer &&
        h(
          Box,
          { asChild: true, color: "fg.info", textDecoration: "underline" },
          h(Link, { to: `${HOME}/sites/${encodeURIComponent(run.site)}/upload?kind=links` }, "Upload links.csv"),
        ),
    ),
  );
}

function Numbers({ counts }) {
  return h(
    Grid,
    {
      as: "dl",
      gap: "4",
      templateColumns: { base: "repeat(2, minmax(0, 1fr))", lg: "repeat(5, minmax(0, 1fr))" },
      mb: "4",
    },
    Object.entries(SORTS).map(([how, { label, meaning }]) =>
      h(
        Box,
        { key: how, minWidth: 0 },
        h(Text, { as: "dt", color: "fg.muted", fontSize: "xs", fontWeight: "bold" }, label),
        h(
          Box,
          { as: "dd", m: "0" },
          h(
            Text,
            { fontSize: "lg", fontWeight: "semibold", fontVariantNumeric: "tabular-nums" },
            number(counts[how] ?? 0),
          ),
          h(Text, { color: "fg.muted", fontSize: "sm" }, meaning),
        ),
      ),
    ),
  );
}

function choicesOf(counts) {
  const some = Object.entries(SORTS).filter(([how]) => counts[how] > 0);
  return [
    { value: "", label: "All accounts" },
    ...some.map(([how, { label }]) => ({ value: how, label })),
  ];
}

const COLUMNS = [
  { key: "how", label: "Alike", width: "11rem", cell: ({ how }) => h(How, { how }) },
  { key: "account", label: "Account", width: "42%", cell: ({ account }) => h(Account, { account }) },
  {
    key: "person",
    label: "Person of the package",
    cell: ({ sourced_id: id, person }) => h(Person, { id, person }),
  },
];

function Person({ id, person }) {
  if (!id) {
    return "–";
  }
  return person
    ? h(RecordName, { label: person, sourcedId: id })
    : h(Code, { size: "sm", variant: "plain", color: "fg.muted", px: "0" }, id);
}

function How({ how }) {
  const { label, palette } = SORTS[how] ?? { label: how, palette: "gray" };
  return h(Badge, { colorPalette: palette, variant: "subtle" }, label);
}

function Account({ account: { email, name, role, status, managed, credited } }) {
  const notes = [
    role,
    status !== "active" && status,
    credited && "credited administrator: never changed",
    managed && "managed by the sync since",
  ];
  return h(
    Box,
    { minWidth: 0 },
    h(Text, { fontWeight: "medium" }, name ?? "(without a name)"),
    h(Text, { fontSize: "sm" }, email ?? "–"),
    h(Text, { color: "fg.muted", fontSize: "sm" }, notes.filter(Boolean).join(" · ")),
  );
}
