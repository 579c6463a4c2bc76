/** The page of all sites: the list, a search in it, and what can be done with sites. */

import { useApi } from "../../lib/api.js";
import { Empty, Failure, Loading, Page, h } from "../../lib/ui.js";
import { counted, number } from "../../lib/words.js";
import { ArchiveSite, NewSite, RestoreSite, SwitchOn } from "./dialogs.js";
import { SiteTable } from "./table.js";

const { Box, Button, Flex, Input, NativeSelect, Text } = globalThis.ChakraUI;
const { Fragment, useState } = globalThis.React;

const SIZE = 25;
const EVERY_MS = 10000;
const SEARCH_FROM = 5;

/** Show every site that one may see: whether its sync is on, and how the last run went. */
export function Sites() {
  const { data, problem, reload } = useApi("sites", { every: EVERY_MS, keep: true });
  const [asked, setAsked] = useState({ what: null, site: null });
  const ask = (what, site = null) => setAsked({ what, site });
  const add = h(Button, { size: "sm", colorPalette: "brand", onClick: () => ask("create") }, "New site…");
  return h(
    Page,
    { title: "Sites", actions: data?.may_oversee ? add : null },
    problem && h(Box, { mb: "3" }, h(Failure, { problem, retry: reload })),
    data ? h(Listed, { data, ask, reload }) : !problem && h(Loading, null),
    h(Asked, { asked, close: () => setAsked((old) => ({ ...old, what: null })), reload }),
  );
}

/** The dialogs; each keeps its site while it closes. */
function Asked({ asked: { what, site }, close, reload }) {
  const shared = { site, onClose: close, onDone: reload };
  return h(
    Fragment,
    null,
    h(NewSite, { ...shared, open: what === "create" || what === "copy" }),
    h(ArchiveSite, { ...shared, open: what === "archive" }),
    h(RestoreSite, { ...shared, open: what === "restore" }),
    h(SwitchOn, { ...shared, open: what === "switch on" }),
  );
}

function Listed({ data, ask, reload }) {
  const [text, setText] = useState("");
  const [which, setWhich] = useState("in use");
  const [page, setPage] = useState(0);
  const archived = data.sites.filter((site) => site.archived_at).length;
  const wanted = text.trim().toLowerCase();
  const found = data.sites.filter(
    (site) => site.site.includes(wanted) && (which === "archived") === Boolean(site.archived_at),
  );
  const pages = Math.max(1, Math.ceil(found.length / SIZE));
  const at = Math.min(page, pages - 1);
  const from = (change) => (event) => {
    change(event.target.value);
    setPage(0);
  };
  if (data.sites.length === 0) {
    return h(None, { mayOversee: data.may_oversee });
  }
  return h(
    Box,
    null,
    (data.sites.length >= SEARCH_FROM || archived > 0) &&
      h(Search, { text, which, archived, onText: from(setText), onWhich: from(setWhich) }),
    found.length === 0
      ? h(Empty, { title: wanted ? "No site fits" : `No site is ${which}` })
      : h(SiteTable, {
          sites: found.slice(at * SIZE, (at + 1) * SIZE),
          mayOversee: data.may_oversee,
          ask,
          reload,
        }),
    h(Paging, { total: found.length, at, pages, onPage: setPage }),
  );
}

function Search({ text, which, archived, onText, onWhich }) {
  return h(
    Flex,
    { gap: "3", mb: "3", wrap: "wrap" },
    h(Input, {
      type: "search",
      "aria-label": "Search sites by name",
      placeholder: "Search by name",
      value: text,
      onChange: onText,
      size: "sm",
      width: { base: "100%", sm: "16rem" },
    }),
    archived > 0 &&
      h(
        NativeSelect.Root,
        { size: "sm", width: { base: "100%", sm: "12rem" } },
        h(
          NativeSelect.Field,
          { "aria-label": "Which sites", value: which, onChange: onWhich },
          h("option", { value: "in use" }, "In use"),
          h("option", { value: "archived" }, `Archived (${number(archived)})`),
        ),
        h(NativeSelect.Indicator),
      ),
  );
}

function Paging({ total, at, pages, onPage }) {
  const first = at * SIZE + 1;
  const told =
    pages === 1
      ? counted(total, "site")
      : `${number(first)} to ${number(Math.min(total, first + SIZE - 1))} of ${counted(total, "site")}`;
  const button = (label, to, disabled) =>
    h(Button, { size: "sm", variant: "outline", disabled, onClick: () => onPage(to) }, label);
  return h(
    Flex,
    { as: "nav", "aria-label": "Pages of the list", justify: "space-between", align: "center", mt: "3", gap: "3", wrap: "wrap" },
    h(Text, { color: "fg.muted", fontSize: "sm", role: "status" }, told),
    pages > 1 &&
      h(Flex, { gap: "2" }, button("Previous", at - 1, at === 0), button("Next", at + 1, at === pages - 1)),
  );
}

function None({ mayOversee }) {
  return mayOversee
    ? h(Empty, { title: "There is no site yet" }, "Make the first one with New site….")
    : h(
        Empty,
        { title: "There is no site that you may see" },
        "Ask an administrator of Airflow for access to its DAGs.",
      );
}
