/** The tab Accounts: accounts that were made by hand, and who of the package each may belong to. */

import { Badge, Box, Button, Code, Grid, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";
import { url, usePages } from "../../lib/api";
import type { AccountMatch, HandMadeAccount, RunDetail } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, type May } from "../../lib/ui";
import { number } from "../../lib/words";
import { RecordName } from "./fields";
import { Choice, type Column, More, Rows, Toolbar } from "./lists";
import { EMPTY } from "../../words/empty";

const SORTS: Record<string, { label: string; palette: string; meaning: string }> = {
  login: {
    label: "Same login",
    palette: "green",
    meaning: "The account has the login of this person. The sync links both.",
  },
  name: {
    label: "Same name",
    palette: "blue",
    meaning: "Both names are the same, and no other account has them.",
  },
  mailbox: {
    label: "Same name before @",
    palette: "blue",
    meaning: "The address is the same before the @, and no other account has it.",
  },
  linked: {
    label: "Linked before",
    palette: "purple",
    meaning: "An earlier run linked it. The sync does not manage it.",
  },
  orphan: {
    label: "No match",
    palette: "orange",
    meaning: "The account is active, and no person in the package matches it.",
  },
};

/** List the accounts that were made by hand. */
export function Accounts({ run, may }: { run: RunDetail; may: May }) {
  const [how, setHow] = useState("");
  const list = usePages(`runs/${run.run_id}/adoption`, { how, limit: 50 }, "accounts");
  if (list.rows === null || list.answer === null) {
    return list.problem ? (
      <Failure problem={list.problem} retry={list.reload} />
    ) : (
      <Loading height="24rem" />
    );
  }
  const { counts } = list.answer;
  const total = how ? counts[how] : Object.values(counts).reduce((sum, count) => sum + count, 0);
  return (
    <Box>
      <Meaning run={run} may={may} />
      <Numbers counts={counts} />
      <Toolbar>
        <Choice label="Match" value={how} onChange={setHow} choices={choicesOf(counts)} />
        <Box flex="1" />
        <Button asChild variant="outline" size="sm">
          <a href={url(`runs/${run.run_id}/adoption.csv`)} download={`adoption-${run.run_id}.csv`}>
            Download as CSV
          </a>
        </Button>
      </Toolbar>
      {list.rows.length > 0 ? (
        <Rows
          caption="Accounts that were made by hand"
          columns={COLUMNS}
          rows={list.rows}
          rowKey={({ account }) => account.id}
          busy={list.loading}
        />
      ) : (
        <Empty {...EMPTY.accounts} />
      )}
      <More list={list} what="accounts" total={total} />
    </Box>
  );
}

function Meaning({ run, may }: { run: RunDetail; may: May }) {
  return (
    <Box fontSize="sm" mb="4" maxWidth="60rem">
      <Text>
        These accounts were made by hand. A sync links an account only if it has the login of a
        person; the others are only similar.
      </Text>
      <Text color="fg.muted" mt="1">
        To say whose they are: download the CSV, delete the lines that are wrong, fill in a
        sourcedId where you know it, and upload the file as <Code size="sm">links.csv</Code>. From
        then on the sync manages these accounts. A person whom a sync has added already keeps the
        account that it made.{" "}
        {may.administer && (
          <Box asChild color="fg.info" textDecoration="underline">
            <Link to={`${HOME}/sites/${encodeURIComponent(run.site)}/upload?kind=links`}>
              Upload links.csv
            </Link>
          </Box>
        )}
      </Text>
    </Box>
  );
}

function Numbers({ counts }: { counts: Record<string, number> }) {
  return (
    <Grid
      as="dl"
      gap="4"
      templateColumns={{ base: "repeat(2, minmax(0, 1fr))", lg: "repeat(5, minmax(0, 1fr))" }}
      mb="4"
    >
      {Object.entries(SORTS).map(([how, { label, meaning }]) => (
        <Box key={how} minWidth={0}>
          <Text as="dt" color="fg.muted" fontSize="xs" fontWeight="bold">
            {label}
          </Text>
          <Box as="dd" m="0">
            <Text fontSize="lg" fontWeight="semibold" fontVariantNumeric="tabular-nums">
              {number(counts[how] ?? 0)}
            </Text>
            <Text color="fg.muted" fontSize="sm">
              {meaning}
            </Text>
          </Box>
        </Box>
      ))}
    </Grid>
  );
}

function choicesOf(counts: Record<string, number>) {
  const some = Object.entries(SORTS).filter(([how]) => counts[how] > 0);
  return [
    { value: "", label: "All accounts" },
    ...some.map(([how, { label }]) => ({ value: how, label })),
  ];
}

const COLUMNS: Column<AccountMatch>[] = [
  { key: "how", label: "Match", width: "11rem", cell: ({ how }) => <How how={how} /> },
  {
    key: "account",
    label: "Account",
    width: "42%",
    cell: ({ account }) => <Account account={account} />,
  },
  {
    key: "person",
    label: "Person in the export",
    cell: ({ sourced_id: id, person }) => <Person id={id} person={person} />,
  },
];

function Person({ id, person }: { id: string | null; person: string | null }) {
  if (!id) {
    return "–";
  }
  return person ? (
    <RecordName label={person} sourcedId={id} />
  ) : (
    <Code size="sm" variant="plain" color="fg.muted" px="0">
      {id}
    </Code>
  );
}

function How({ how }: { how: string }) {
  const { label, palette } = SORTS[how] ?? { label: how, palette: "gray" };
  return (
    <Badge colorPalette={palette} variant="subtle">
      {label}
    </Badge>
  );
}

function Account({
  account: { email, name, role, status, managed, credited },
}: {
  account: HandMadeAccount;
}) {
  const notes = [
    role,
    status !== "active" && status,
    credited && "credited administrator: never changed",
    managed && "managed by the sync since",
  ];
  return (
    <Box minWidth={0}>
      <Text fontWeight="medium">{name ?? "(without a name)"}</Text>
      <Text fontSize="sm">{email ?? "–"}</Text>
      <Text color="fg.muted" fontSize="sm">
        {notes.filter(Boolean).join(" · ")}
      </Text>
    </Box>
  );
}
