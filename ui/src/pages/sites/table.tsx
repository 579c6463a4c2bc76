/** The table of sites: state, last and next run, the switch, and what can be done. */

import { Badge, Box, Button, Flex, Switch, Table, Text } from "@chakra-ui/react";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "react-router-dom";
import { asProblem, type Problem, put } from "../../lib/api";
import type { LastRun, SiteState } from "../../lib/openapi";
import { HOME, Outcome, Time } from "../../lib/ui";
import { utc } from "../../lib/words";
import { READABLE } from "../preferences/fields";

/** Red that can be read on every row of the table. */
const BAD = { base: "red.700", _dark: "red.300" };

const COLUMNS = ["Site", "Sync", "Last run (UTC)", "Next run (UTC)"];

/**
 * List sites.
 *
 * @param props.mayOversee Whether one may copy, archive and restore.
 * @param props.ask Opens a dialog about a site.
 */
export function SiteTable({
  sites,
  mayOversee,
  ask,
  reload,
}: {
  sites: SiteState[];
  mayOversee: boolean;
  ask: (what: string, site?: SiteState | undefined) => void;
  reload: () => void;
}) {
  const labels = mayOversee ? [...COLUMNS, "Actions"] : COLUMNS;
  return (
    <Box overflowX="auto" borderWidth="1px" borderColor="border.emphasized" borderRadius="8px">
      <Table.Root size="sm" striped minWidth="52rem">
        <Table.Caption srOnly>
          Sites, whether their sync is on, their last and their next run
        </Table.Caption>
        <Table.Header>
          <Table.Row>
            {labels.map((label) => (
              <Table.ColumnHeader key={label} scope="col">
                {label}
              </Table.ColumnHeader>
            ))}
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

function SiteRow({
  site,
  mayOversee,
  ask,
  reload,
}: {
  site: SiteState;
  mayOversee: boolean;
  ask: (what: string, site?: SiteState | undefined) => void;
  reload: () => void;
}) {
  const { last_run: last, next_run: next, standstill: still } = site;
  return (
    <Table.Row>
      <Table.Cell role="rowheader">
        <To to={`${HOME}/sites/${site.site}`}>{site.site}</To>
      </Table.Cell>
      <Table.Cell>
        {site.archived_at ? (
          <Archived site={site} />
        ) : (
          <Sync site={site} ask={ask} reload={reload} />
        )}
      </Table.Cell>
      <Table.Cell>
        {last ? <Last last={last} /> : <Text color="fg.muted">None yet</Text>}
        {still.level && (
          <Text
            fontSize="sm"
            fontWeight={still.level === "error" ? "semibold" : "normal"}
            color={still.level === "error" ? BAD : "fg.warning"}
          >
            {still.sentence}
          </Text>
        )}
      </Table.Cell>
      <Table.Cell>
        {next ? <Time at={next} seconds={false} bare /> : <Text color="fg.muted">None</Text>}
      </Table.Cell>
      {mayOversee && (
        <Table.Cell>
          <Actions site={site} ask={ask} />
        </Table.Cell>
      )}
    </Table.Row>
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
    <Flex gap="2" align="center">
      <To to={`${HOME}/runs/${last.run_id}`}>
        {utc(last.started_at, { seconds: false }).replace(" UTC", "")}
      </To>
      <Outcome outcome={last.outcome} isPreview={last.is_preview} />
    </Flex>
  );
}

function Archived({ site }: { site: SiteState }) {
  const told = `Archived ${site.archived_at?.slice(0, 10)} by ${site.archived_by}`;
  return <Text color="fg.muted">{told}</Text>;
}

/** The pause state of the site's scheduled DAG; to switch it on asks first. */
function Sync({
  site,
  ask,
  reload,
}: {
  site: SiteState;
  ask: (what: string, site?: SiteState | undefined) => void;
  reload: () => void;
}) {
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
        <Text role="alert" color="fg.error" fontSize="sm">
          {problem.detail}
        </Text>
      )}
    </Box>
  );
}

function Actions({
  site,
  ask,
}: {
  site: SiteState;
  ask: (what: string, site?: SiteState | undefined) => void;
}) {
  const button = (what: string, label: string) => (
    <Button
      size="xs"
      variant="outline"
      aria-label={`${label} ${site.site}`}
      onClick={() => ask(what, site)}
    >{`${label}…`}</Button>
  );
  return (
    <Flex gap="2">
      {button("copy", "Copy")}
      {site.archived_at ? button("restore", "Restore") : button("archive", "Archive")}
    </Flex>
  );
}
