/** The page of all sites: the list, a search in it, and what can be done with sites. */

import { Box, Button, Flex, Input, NativeSelect, Text } from "@chakra-ui/react";
import { type ChangeEvent, Fragment, useState } from "react";
import { Link } from "react-router-dom";
import { useApi } from "../../lib/api";
import type { Sites as SiteList, SiteState } from "../../lib/openapi";
import { MaintenanceBar } from "../../lib/site_status";
import { Empty, Failure, HOME, Loading, Page } from "../../lib/ui";
import { counted, number } from "../../lib/words";
import { ArchiveSite, NewSite, RestoreSite, SwitchOn } from "./dialogs";
import { listed, SHOWN, type Sorting, type SortKey } from "./order";
import { RenameSite, ResumeAll, StopAll } from "./settings";
import { SiteTable } from "./table";
import { EMPTY } from "../../words/empty";
import { SHARED } from "../../words/shared";

const SIZE = 25;

const EVERY_MS = 15000;

const SEARCH_FROM = 2;

/** What is asked about which site. */
interface AskedOf {
  what: string | null;
  site: SiteState | null;
}

/** Show every site that one may see: whether its sync is on, and how the last run went. */
export function Sites() {
  const { data, problem, reload } = useApi("sites", { every: EVERY_MS, keep: true });
  const [asked, setAsked] = useState<AskedOf>({ what: null, site: null });
  const ask = (what: string, site: SiteState | null = null) => setAsked({ what, site });
  const add = data?.may_oversee && (
    <Fragment>
      <Button
        size="sm"
        variant="outline"
        onClick={() => ask(data.maintenance ? "resume all" : "stop all")}
      >
        {data.maintenance ? "End maintenance…" : "Stop all syncs…"}
      </Button>
      <Button size="sm" colorPalette="brand" onClick={() => ask("create")}>
        New site…
      </Button>
    </Fragment>
  );
  return (
    <Page
      title="Sites"
      guide="many-sites.md"
      actions={
        <Fragment>
          {data?.sites.some(({ may }) => may.details) && (
            <Button asChild size="sm" variant="outline">
              <Link to={`${HOME}/why`}>Find a person…</Link>
            </Button>
          )}
          {add}
        </Fragment>
      }
    >
      <MaintenanceBar maintenance={data?.maintenance} />
      {problem && (
        <Box mb="3">
          <Failure problem={problem} retry={reload} />
        </Box>
      )}
      {data ? <Listed data={data} ask={ask} reload={reload} /> : !problem && <Loading />}
      <Asked
        asked={asked}
        close={() => setAsked((old) => ({ ...old, what: null }))}
        reload={reload}
      />
    </Page>
  );
}

/** The dialogs; each keeps its site while it closes. */
function Asked({
  asked: { what, site },
  close,
  reload,
}: {
  asked: AskedOf;
  close: () => void;
  reload: () => void;
}) {
  const shared = { site, onClose: close, onDone: reload };
  return (
    <Fragment>
      <NewSite {...shared} open={what === "create" || what === "copy"} />
      <ArchiveSite {...shared} open={what === "archive"} />
      <RestoreSite {...shared} open={what === "restore"} />
      <SwitchOn {...shared} open={what === "switch on"} />
      <RenameSite {...shared} open={what === "rename"} />
      <StopAll {...shared} open={what === "stop all"} />
      <ResumeAll {...shared} open={what === "resume all"} />
    </Fragment>
  );
}

function Listed({
  data,
  ask,
  reload,
}: {
  data: SiteList;
  ask: (what: string, site?: SiteState) => void;
  reload: () => void;
}) {
  const [text, setText] = useState("");
  const [which, setWhich] = useState("all");
  const [sorting, setSorting] = useState<Sorting>({ by: "attention", isReversed: false });
  const [page, setPage] = useState(0);
  const archived = data.sites.filter((site) => site.archived_at).length;
  const found = listed(data.sites, text, which, sorting);
  const sortBy = (by: SortKey) => {
    setSorting((old) => ({ by, isReversed: old.by === by && !old.isReversed }));
    setPage(0);
  };
  const pages = Math.max(1, Math.ceil(found.length / SIZE));
  const at = Math.min(page, pages - 1);
  const from =
    (change: (value: string) => void) =>
    (event: ChangeEvent<HTMLInputElement | HTMLSelectElement>) => {
      change(event.target.value);
      setPage(0);
    };
  if (data.sites.length === 0) {
    return <None mayOversee={data.may_oversee} />;
  }
  return (
    <Box>
      {(data.sites.length >= SEARCH_FROM || archived > 0) && (
        <Search
          text={text}
          which={which}
          archived={archived}
          onText={from(setText)}
          onWhich={from(setWhich)}
        />
      )}
      {found.length === 0 ? (
        <Empty title={EMPTY.sites.title}>
          <Button
            size="sm"
            variant="outline"
            mt="2"
            onClick={() => {
              setText("");
              setWhich("all");
            }}
          >
            Show all sites
          </Button>
        </Empty>
      ) : (
        <SiteTable
          sites={found.slice(at * SIZE, (at + 1) * SIZE)}
          sorting={sorting}
          sortBy={sortBy}
          mayOversee={data.may_oversee}
          ask={ask}
          reload={reload}
        />
      )}
      <Paging total={found.length} at={at} pages={pages} onPage={setPage} />
    </Box>
  );
}

function Search({
  text,
  which,
  archived,
  onText,
  onWhich,
}: {
  text: string;
  which: string;
  archived: number;
  onText: (event: ChangeEvent<HTMLInputElement>) => void;
  onWhich: (event: ChangeEvent<HTMLSelectElement>) => void;
}) {
  return (
    <Flex gap="3" mb="3" wrap="wrap">
      <Input
        type="search"
        aria-label="Search sites by name"
        placeholder="Search by name"
        value={text}
        onChange={onText}
        size="sm"
        width={{ base: "100%", sm: "16rem" }}
      />
      <NativeSelect.Root size="sm" width={{ base: "100%", sm: "13rem" }}>
        <NativeSelect.Field aria-label="Which sites" value={which} onChange={onWhich}>
          {Object.entries(SHOWN).map(([value, label]) => (
            <option key={value} value={value}>
              {value === "archived" ? `${label} (${number(archived)})` : label}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
    </Flex>
  );
}

function Paging({
  total,
  at,
  pages,
  onPage,
}: {
  total: number;
  at: number;
  pages: number;
  onPage: (value: number) => void;
}) {
  const first = at * SIZE + 1;
  const range =
    pages === 1
      ? counted(total, "site")
      : `${number(first)} to ${number(Math.min(total, first + SIZE - 1))} of ${counted(total, "site")}`;
  const button = (label: string, to: number, disabled: boolean) => (
    <Button size="sm" variant="outline" disabled={disabled} onClick={() => onPage(to)}>
      {label}
    </Button>
  );
  return (
    <Flex
      as="nav"
      aria-label={SHARED.pagesOfList}
      justify="space-between"
      align="center"
      mt="3"
      gap="3"
      wrap="wrap"
    >
      <Text color="fg.muted" fontSize="sm" role="status">
        {range}
      </Text>
      {pages > 1 && (
        <Flex gap="2">
          {button("Previous", at - 1, at === 0)}
          {button("Next", at + 1, at === pages - 1)}
        </Flex>
      )}
    </Flex>
  );
}

function None({ mayOversee }: { mayOversee: boolean }) {
  return mayOversee ? <Empty {...EMPTY.noSite} /> : <Empty {...EMPTY.noSiteToSee} />;
}
