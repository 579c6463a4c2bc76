/** The list of all sites. */

import { useApi } from "../lib/api.js";
import { Empty, Failure, HOME, Loading, Page, Time, h } from "../lib/ui.js";

const { Badge, Box, Table, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

/** Show every site, whether its sync is on, and when it runs next. */
export function Sites() {
  const { data, problem, reload } = useApi("sites", { every: 10000 });
  return h(Page, { title: "Sites" }, body(data, problem, reload));
}

function body(data, problem, reload) {
  if (!data) {
    return problem ? h(Failure, { problem, retry: reload }) : h(Loading, null);
  }
  if (data.sites.length === 0) {
    return h(
      Empty,
      { title: "There is no site that you may see" },
      "Ask an administrator of Airflow for access to its DAGs.",
    );
  }
  return h(
    Box,
    { overflowX: "auto" },
    h(
      Table.Root,
      { size: "md", striped: true },
      h(Table.Caption, { srOnly: true }, "Sites, whether their sync is on, and their next run"),
      h(
        Table.Header,
        null,
        h(
          Table.Row,
          null,
          ["Site", "Sync", "Next run"].map((label) =>
            h(Table.ColumnHeader, { key: label, scope: "col" }, label),
          ),
        ),
      ),
      h(Table.Body, null, data.sites.map((site) => h(SiteRow, { key: site.site, ...site }))),
    ),
  );
}

function SiteRow({ site, in_airflow: known, enabled, next_run: next }) {
  return h(
    Table.Row,
    null,
    h(
      Table.Cell,
      null,
      h(
        Box,
        { asChild: true, color: "fg.info", fontWeight: "bold", _hover: { textDecoration: "underline" } },
        h(Link, { to: `${HOME}/sites/${site}` }, site),
      ),
    ),
    h(Table.Cell, null, h(Enabled, { known, enabled })),
    h(Table.Cell, null, next ? h(Time, { at: next, seconds: false }) : h(Text, { color: "fg.muted" }, "None")),
  );
}

function Enabled({ known, enabled }) {
  if (!known) {
    return h(Badge, { variant: "outline" }, "Not in Airflow yet");
  }
  return h(Badge, { colorPalette: enabled ? "success" : "gray", variant: "subtle" }, enabled ? "On" : "Off");
}
