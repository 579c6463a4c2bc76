/** The table of sites: what needs attention, how large and how fresh each is, and what can be done. */

import { Badge, Box, Button, Flex, Menu, Portal, Switch, Table, Text } from "@chakra-ui/react";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router-dom";
import { BAD, WARN } from "../../lib/colors";
import { asProblem, type Problem, put } from "../../lib/api";
import type { LastRun, SiteState } from "../../lib/openapi";
import { sayDone } from "../../lib/toasts";
import { HOME, Outcome, Planned, Time } from "../../lib/ui";
import { counted, number } from "../../lib/words";
import { READABLE } from "../preferences/fields";
import type { Sorting, SortKey } from "./order";

const COLUMNS: { label: string; sort?: SortKey; isEnd?: boolean }[] = [
  { label: "Site", sort: "site" },
  { label: "Sync" },
  { label: "Last run", sort: "attention" },
  { label: "Active users", sort: "users", isEnd: true },
  { label: "Rows with errors", sort: "errors", isEnd: true },
  { label: "Last applied", sort: "applied" },
  { label: "Export", sort: "export" },
  { label: "Changes" },
  { label: "Next run (UTC)", sort: "next" },
];

const STACKED = "@media (max-width: 767px)";

/** Where there is no room for columns, a site is a card. */
const LAYOUT = {
  "& td, & th": { paddingInline: "2", verticalAlign: "top" },
  "& th": { verticalAlign: "middle" },
  [STACKED]: {
    "& table": { minWidth: "0" },
    "& table, & tbody, & tr": { display: "block", width: "100%" },
    "& thead": { position: "absolute", height: "1px", overflow: "hidden", clipPath: "inset(50%)" },
    "& tr": { borderBottomWidth: "1px", borderColor: "border", padding: "2" },
    "& td": {
      display: "grid",
      gridTemplateColumns: "7.5rem minmax(0, 1fr)",
      alignItems: "baseline",
      border: "0",
      paddingBlock: "0.5",
      textAlign: "start",
      background: "transparent",
    },
    "& td:not([data-label])": { display: "block", textAlign: "end" },
    "& td::before": { content: "attr(data-label)", color: "fg.muted", fontSize: "xs" },
    "& td[data-nothing]": { display: "none" },
  },
};

type Ask = (what: string, site?: SiteState | undefined) => void;

/**
 * List sites.
 *
 * @param props.mayOversee Whether one may copy, archive and restore.
 * @param props.ask Opens a dialog about a site.
 */
export function SiteTable({
  sites,
  sorting,
  sortBy,
  mayOversee,
  ask,
  reload,
}: {
  sites: SiteState[];
  sorting: Sorting;
  sortBy: (key: SortKey) => void;
  mayOversee: boolean;
  ask: Ask;
  reload: () => void;
}) {
  return (
    <Box
      position="relative"
      overflowX="auto"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="8px"
      css={LAYOUT}
    >
      <Table.Root size="sm" striped minWidth="72rem">
        <Table.Caption srOnly>
          Sites, what needs attention, their size, their last and their next run
        </Table.Caption>
        <Table.Header>
          <Table.Row>
            {COLUMNS.map((column) => (
              <Head key={column.label} {...column} sorting={sorting} sortBy={sortBy} />
            ))}
            {mayOversee && (
              <Table.ColumnHeader scope="col">
                <Text as="span" srOnly>
                  Actions
                </Text>
              </Table.ColumnHeader>
            )}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {sites.map((site) => (
            <SiteRow
              key={site.site}
              site={site}
              mayOversee={mayOversee}
              ask={ask}
              reload={reload}
            />
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  );
}

function Head({
  label,
  sort,
  isEnd = false,
  sorting,
  sortBy,
}: {
  label: string;
  sort?: SortKey;
  isEnd?: boolean;
  sorting: Sorting;
  sortBy: (key: SortKey) => void;
}) {
  const isSorted = sort === sorting.by;
  const direction = sorting.isReversed ? "descending" : "ascending";
  return (
    <Table.ColumnHeader
      scope="col"
      textAlign={isEnd ? "end" : "start"}
      aria-sort={isSorted ? direction : undefined}
    >
      {sort ? (
        <Button
          size="xs"
          variant="plain"
          px="0"
          color="inherit"
          fontWeight="inherit"
          fontSize="sm"
          title={sort === "attention" ? "Sort by what needs attention" : `Sort by ${label}`}
          onClick={() => sortBy(sort)}
        >
          {label}
          <Box as="span" aria-hidden>
            {isSorted ? (sorting.isReversed ? "▴" : "▾") : ""}
          </Box>
        </Button>
      ) : (
        label
      )}
    </Table.ColumnHeader>
  );
}

function SiteRow({
  site,
  mayOversee,
  ask,
  reload,
}: {
  site: SiteState;
  mayOversee: boolean;
  ask: Ask;
  reload: () => void;
}) {
  const { last_run: last, next_run: next, standstill: still, health } = site;
  return (
    <Table.Row>
      <Table.Cell role="rowheader" data-label="Site">
        <Box minWidth="0">
          <To to={`${HOME}/sites/${site.site}`}>{site.title ?? site.site}</To>
          {site.title && (
            <Text color="fg.muted" fontSize="xs">
              {site.site}
            </Text>
          )}
        </Box>
      </Table.Cell>
      <Table.Cell data-label="Sync">
        {site.archived_at ? (
          <Archived site={site} />
        ) : (
          <Sync site={site} ask={ask} reload={reload} />
        )}
      </Table.Cell>
      <Table.Cell data-label="Last run" maxWidth="26rem">
        <Box minWidth="0">
          {last ? <Last last={last} /> : <Text color="fg.muted">None yet</Text>}
          {!site.archived_at && <Reasons site={site} />}
        </Box>
      </Table.Cell>
      <Numbers label="Active users" value={health.active?.users} />
      <Numbers label="Rows with errors" value={health.errors} isBad />
      <Table.Cell data-label="Last applied" data-nothing={still.since ? undefined : "true"}>
        {still.since ? (
          <Time at={still.since} seconds={false} bare />
        ) : (
          <Text color="fg.muted">Never</Text>
        )}
      </Table.Cell>
      <Table.Cell data-label="Export" data-nothing={health.has_export ? undefined : "true"}>
        <Text color={health.is_stale ? WARN : undefined} whiteSpace="nowrap">
          {exportOf(site)}
        </Text>
      </Table.Cell>
      <Table.Cell
        data-label="Changes"
        data-nothing={health.changes.length > 1 ? undefined : "true"}
      >
        <Sparkline changes={health.changes} />
      </Table.Cell>
      <Table.Cell data-label="Next run" data-nothing={next ? undefined : "true"}>
        {next ? <Planned at={next} bare /> : <Text color="fg.muted">None</Text>}
      </Table.Cell>
      {mayOversee && (
        <Table.Cell>
          <Actions site={site} ask={ask} />
        </Table.Cell>
      )}
    </Table.Row>
  );
}

function exportOf({ health: { has_export: has, export_days: days } }: SiteState) {
  if (!has) {
    return "None yet";
  }
  return days === 0 ? "New today" : `${counted(days, "day")} old`;
}

function Numbers({
  label,
  value,
  isBad = false,
}: {
  label: string;
  value: number | null | undefined;
  isBad?: boolean;
}) {
  const isKnown = value !== null && value !== undefined;
  return (
    <Table.Cell
      textAlign="end"
      fontVariantNumeric="tabular-nums"
      data-label={label}
      data-nothing={isKnown ? undefined : "true"}
      color={isBad && value ? BAD : undefined}
      fontWeight={isBad && value ? "semibold" : undefined}
    >
      {isKnown ? number(value) : "–"}
    </Table.Cell>
  );
}

/** What needs attention: the reason of a failure, a standstill, plans, an old export. */
function Reasons({ site: { health } }: { site: SiteState }) {
  return health.reasons.map((reason, index) => {
    const isGrave = index === 0 && health.level === "error";
    return (
      <Text
        key={reason}
        fontSize="sm"
        fontWeight={isGrave ? "semibold" : "normal"}
        color={isGrave ? BAD : WARN}
        overflowWrap="anywhere"
      >
        {reason}
      </Text>
    );
  });
}

const WIDTH = 70;

const HEIGHT = 20;

/** The changes of the last applied runs, each as a bar by its square root. */
function Sparkline({ changes }: { changes: number[] }) {
  if (changes.length < 2) {
    return <Text color="fg.muted">–</Text>;
  }
  const most = Math.sqrt(Math.max(1, ...changes));
  const step = WIDTH / changes.length;
  const text = `Changes of the last ${changes.length} applied runs: ${changes.map(number).join(", ")}`;
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={text}>
      <title>{text}</title>
      {changes.map((count, index) => {
        const height = count ? Math.max(2, (HEIGHT * Math.sqrt(count)) / most) : 1;
        return (
          <rect
            key={index}
            x={index * step}
            y={HEIGHT - height}
            width={Math.max(1, step - 1)}
            height={height}
            fill="var(--chakra-colors-blue-solid)"
          />
        );
      })}
    </svg>
  );
}

function To({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Box asChild color="fg.info" fontWeight="bold" _hover={{ textDecoration: "underline" }}>
      <Link to={to}>{children}</Link>
    </Box>
  );
}

function Last({ last }: { last: LastRun }) {
  return (
    <Flex gap="2" align="center" wrap="wrap">
      <To to={`${HOME}/runs/${last.run_id}`}>
        <Time at={last.started_at} seconds={false} bare />
      </To>
      <Outcome outcome={last.outcome} isPreview={last.is_preview} />
    </Flex>
  );
}

function Archived({ site }: { site: SiteState }) {
  const text = `Archived ${site.archived_at?.slice(0, 10)} by ${site.archived_by}`;
  return <Text color="fg.muted">{text}</Text>;
}

/** The pause state of the site's scheduled DAG; to switch it on asks first. */
function Sync({ site, ask, reload }: { site: SiteState; ask: Ask; reload: () => void }) {
  const [answer, setAnswer] = useState<boolean | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => setAnswer(null), [site]);
  if (!site.in_airflow) {
    return (
      <Badge colorPalette="gray" variant="subtle">
        Not in Airflow yet
      </Badge>
    );
  }
  const isOn = answer ?? site.enabled;
  const switchOff = async () => {
    setIsBusy(true);
    setProblem(null);
    try {
      setAnswer((await put(`sites/${site.site}/enabled`, { enabled: false })).enabled);
      sayDone(`Sync of ${site.site} switched off`);
      reload();
    } catch (caught) {
      setProblem(asProblem(caught));
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <Box>
      <Switch.Root
        checked={isOn ?? false}
        disabled={!site.may.administer || isBusy}
        colorPalette="brand"
        onCheckedChange={({ checked }) => (checked ? ask("switch on", site) : switchOff())}
      >
        <Switch.HiddenInput />
        <Switch.Control {...READABLE} />
        <Switch.Label {...READABLE}>
          <Box as="span" srOnly>{`Sync of ${site.site}: `}</Box>
          {isOn ? "On" : "Off"}
        </Switch.Label>
      </Switch.Root>
      {problem && (
        <Text role="alert" color={BAD} fontSize="sm">
          {problem.detail}
        </Text>
      )}
    </Box>
  );
}

function Actions({ site, ask }: { site: SiteState; ask: Ask }) {
  const items = [
    ["rename", "Display name…"],
    ["copy", "Copy…"],
    site.archived_at ? ["restore", "Restore…"] : ["archive", "Archive…"],
  ];
  return (
    <Menu.Root onSelect={({ value }) => ask(value, site)} positioning={{ placement: "bottom-end" }}>
      <Menu.Trigger asChild>
        <Button size="xs" variant="ghost" aria-label={`Actions of ${site.site}`}>
          ⋯
        </Button>
      </Menu.Trigger>
      <Portal>
        <Menu.Positioner>
          <Menu.Content>
            {items.map(([value, label]) => (
              <Menu.Item key={value} value={value}>
                {label}
              </Menu.Item>
            ))}
          </Menu.Content>
        </Menu.Positioner>
      </Portal>
    </Menu.Root>
  );
}
