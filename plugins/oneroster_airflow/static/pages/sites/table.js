/** The table of sites: state, last and next run, the switch, and what can be done. */

import { put } from "../../lib/api.js";
import { HOME, Outcome, Time, h } from "../../lib/ui.js";
import { utc } from "../../lib/words.js";
import { READABLE } from "../preferences/parts.js";

const { Badge, Box, Button, Flex, Switch, Table, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useEffect, useState } = globalThis.React;

const COLUMNS = ["Site", "Sync", "Last run (UTC)", "Next run (UTC)"];

/**
 * List sites.
 *
 * @param {object} props
 * @param {object[]} props.sites
 * @param {boolean} props.mayOversee Whether one may copy, archive and restore.
 * @param {function(string, object): void} props.ask Opens a dialog about a site.
 * @param {function(): void} props.reload
 */
export function SiteTable({ sites, mayOversee, ask, reload }) {
  const labels = mayOversee ? [...COLUMNS, "Actions"] : COLUMNS;
  return h(
    Box,
    { overflowX: "auto", borderWidth: "1px", borderColor: "border.emphasized", borderRadius: "8px" },
    h(
      Table.Root,
      { size: "sm", striped: true, minWidth: "52rem" },
      h(Table.Caption, { srOnly: true }, "Sites, whether their sync is on, their last and their next run"),
      h(
        Table.Header,
        null,
        h(Table.Row, null, labels.map((label) => h(Table.ColumnHeader, { key: label, scope: "col" }, label))),
      ),
      h(
        Table.Body,
        null,
        sites.map((site) => h(SiteRow, { key: site.site, site, mayOversee, ask, reload })),
      ),
    ),
  );
}

function SiteRow({ site, mayOversee, ask, reload }) {
  const { last_run: last, next_run: next } = site;
  return h(
    Table.Row,
    null,
    h(Table.Cell, { role: "rowheader" }, h(To, { to: `${HOME}/sites/${site.site}` }, site.site)),
    h(Table.Cell, null, site.archived_at ? h(Archived, { site }) : h(Sync, { site, ask, reload })),
    h(Table.Cell, null, last ? h(Last, { last }) : h(Text, { color: "fg.muted" }, "None yet")),
    h(
      Table.Cell,
      null,
      next ? h(Time, { at: next, seconds: false, bare: true }) : h(Text, { color: "fg.muted" }, "None"),
    ),
    mayOversee && h(Table.Cell, null, h(Actions, { site, ask })),
  );
}

function To({ to, children }) {
  return h(
    Box,
    { asChild: true, color: "fg.info", fontWeight: "bold", _hover: { textDecoration: "underline" } },
    h(Link, { to }, children),
  );
}

function Last({ last }) {
  return h(
    Flex,
    { gap: "2", align: "center" },
    h(
      To,
      { to: `${HOME}/runs/${last.run_id}` },
      utc(last.started_at, { seconds: false }).replace(" UTC", ""),
    ),
    h(Outcome, { outcome: last.outcome }),
  );
}

function Archived({ site }) {
  const told = `Archived ${site.archived_at.slice(0, 10)} by ${site.archived_by}`;
  return h(Text, { color: "fg.muted" }, told);
}

/** The pause state of the site's scheduled DAG; to switch it on asks first. */
function Sync({ site, ask, reload }) {
  const [answer, setAnswer] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => setAnswer(null), [site]);
  if (!site.in_airflow) {
    return h(Badge, { colorPalette: "gray", variant: "subtle" }, "Not in Airflow yet");
  }
  const isOn = answer ?? site.enabled;
  const switchOff = async () => {
    setIsBusy(true);
    setProblem(null);
    try {
      setAnswer((await put(`sites/${site.site}/enabled`, { enabled: false })).enabled);
      reload();
    } catch (caught) {
      setProblem(caught);
    } finally {
      setIsBusy(false);
    }
  };
  return h(
    Box,
    null,
    h(
      Switch.Root,
      {
        checked: isOn,
        disabled: !site.may.administer || isBusy,
        colorPalette: "brand",
        onCheckedChange: ({ checked }) => (checked ? ask("switch on", site) : switchOff()),
      },
      h(Switch.HiddenInput),
      h(Switch.Control, READABLE),
      h(
        Switch.Label,
        READABLE,
        h(Box, { as: "span", srOnly: true }, `Sync of ${site.site}: `),
        isOn ? "On" : "Off",
      ),
    ),
    problem && h(Text, { role: "alert", color: "fg.error", fontSize: "sm" }, problem.detail),
  );
}

function Actions({ site, ask }) {
  const button = (what, label) =>
    h(
      Button,
      { size: "xs", variant: "outline", "aria-label": `${label} ${site.site}`, onClick: () => ask(what, site) },
      `${label}…`,
    );
  return h(
    Flex,
    { gap: "2" },
    button("copy", "Copy"),
    site.archived_at ? button("restore", "Restore") : button("archive", "Archive"),
  );
}
