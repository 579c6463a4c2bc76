/** Recent synchronizations of a site: the list, its filters, the chart, and a button to sync now. */

import { Box, Button, Code, Link as Anchor, Skeleton, Text } from "@chakra-ui/react";
import { Fragment, type ReactNode, useState } from "react";
import { Link, useNavigate, useParams } from "react-router-dom";
import { sayDone } from "../../lib/toasts";
import { post, useApi } from "../../lib/api";
import { Confirm } from "../../lib/dialogs";
import type { PreferencesState, Runs, RunSummary } from "../../lib/openapi";
import { useZone } from "../../lib/time";
import { Empty, Failure, HOME, Loading, type May, Page } from "../../lib/ui";
import { Attention } from "./attention";
import { Filters, type FilterState, Paging, useFilters } from "./filters";
import { RunTable } from "./table";
import { TrendCard } from "./trend";
import { EMPTY } from "../../words/empty";
import { ASK } from "../../words/questions";

const LISTED = 25;

const MOVING_MS = 2000;

const STILL_MS = 15000;

const FRESHNESS_MS = 60000;

/**
 * Show what a site's runs came to.
 *
 * @param props.may What the viewer may do.
 */
export function Recent({ may }: { may: May }) {
  const { site = "" } = useParams();
  const filters = useFilters();
  const zone = useZone();
  const [moving, setMoving] = useState(false);
  const freshness = useApi(`sites/${site}/freshness`, { every: FRESHNESS_MS, keep: true });
  const {
    data: runs,
    problem,
    isOther,
    reload,
  } = useApi(`sites/${site}/runs`, {
    params: {
      ...filters.values,
      zone: filters.values.from || filters.values.to ? zone : null,
      before: filters.before,
      limit: LISTED,
    },
    every: filters.before ? null : moving ? MOVING_MS : STILL_MS,
    keep: true,
  });
  // What stands above the list is known before the list is shown, so that nothing moves.
  const data = freshness.data || freshness.problem ? runs : null;
  const newest = useNewest(data, !filters.any && !filters.before && !isOther);
  const isMoving = data?.runs.some((run) => run.outcome === null) ?? false;
  if (isMoving !== moving) {
    setMoving(isMoving);
  }
  const isNew = newest?.length === 0;
  return (
    <Page
      title="Recent synchronizations"
      site={site}
      may={may}
      tab="runs"
      actions={may.operate && data && !isNew && <Actions site={site} />}
    >
      {newest && <Attention runs={newest} freshness={freshness.data} />}
      {data && !isNew && hasTrend(newest) && <TrendCard site={site} newest={markOf(newest)} />}
      {data && !isNew && <Filters filters={filters} />}
      {problem && (
        <Box mb="3">
          <Failure problem={problem} retry={reload} />
        </Box>
      )}
      {data ? (
        <Runs data={data} site={site} may={may} filters={filters} isOther={isOther} />
      ) : (
        !problem && <Loading height="40rem" />
      )}
    </Page>
  );
}

/** Keep the newest runs as they were seen last, so that a filter moves nothing above it. */
function useNewest(data: Runs | null, isUnfiltered: boolean) {
  const [newest, setNewest] = useState<RunSummary[] | null>(null);
  if (data && isUnfiltered && data.runs !== newest) {
    setNewest(data.runs);
  }
  return newest;
}

/** Return whether there may be two runs to draw, so that no place is held for a chart of none. */
function hasTrend(newest: RunSummary[] | null) {
  const drawn = newest?.filter(({ outcome, counts }) => outcome !== null && counts !== null);
  return !newest || !drawn || newest.length === LISTED || drawn.length > 1;
}

/** Return what moves when a run has ended, or ended otherwise. */
function markOf(newest: RunSummary[] | null) {
  const ended = newest?.find(({ outcome }) => outcome !== null);
  return ended ? `${ended.run_id} ${ended.outcome}` : undefined;
}

function Actions({ site }: { site: string }) {
  return (
    <Fragment>
      <SyncNow site={site} />
      <Button asChild size="sm" colorPalette="brand">
        <Link to={`${HOME}/sites/${site}/upload`}>Upload</Link>
      </Button>
    </Fragment>
  );
}

function Runs({
  data,
  site,
  may,
  filters,
  isOther,
}: {
  data: Runs;
  site: string;
  may: May;
  filters: FilterState;
  isOther: boolean;
}) {
  if (data.runs.length === 0) {
    return filters.any ? <NoneFits filters={filters} /> : <Never site={site} may={may} />;
  }
  return (
    <Box opacity={isOther ? 0.6 : 1} transition="opacity 0.15s ease 0.2s">
      <RunTable runs={data.runs} may={may} />
      <Paging data={data} filters={filters} />
    </Box>
  );
}

function NoneFits({ filters }: { filters: FilterState }) {
  return (
    <Empty title={EMPTY.runs.title}>
      <Button size="sm" variant="outline" mt="2" onClick={filters.clear}>
        Show all runs
      </Button>
    </Empty>
  );
}

function Never({ site, may }: { site: string; may: May }) {
  if (may.archivedAt) {
    return <Empty title={EMPTY.archived.title}>{EMPTY.archived.text}</Empty>;
  }
  return (
    <Empty title={EMPTY.neverSynced.title}>
      <Text>{EMPTY.neverSynced.text}</Text>
      <Box mt="4" display="flex" gap="2" justifyContent="center" flexWrap="wrap">
        <Button asChild size="sm" variant="outline">
          <Link to={`${HOME}/sites/${site}/preferences`}>Preferences</Link>
        </Button>
        {may.operate && (
          <Button asChild size="sm" colorPalette="brand">
            <Link to={`${HOME}/sites/${site}/upload`}>Upload a package</Link>
          </Button>
        )}
      </Box>
    </Empty>
  );
}

/** Offer to sync now, and say what from. */
export function SyncNow({ site }: { site: string }) {
  const [open, setOpen] = useState(false);
  const { data, problem, reload } = useApi(open ? `sites/${site}/preferences` : null);
  const navigate = useNavigate();
  const missing = data ? missingOf(data) : null;
  const start = async () => {
    const made = await post(`sites/${site}/runs`);
    sayDone(ASK.syncNow.done);
    const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
    navigate(`${HOME}/runs/${made.run_id}?${query}`);
  };
  return (
    <Fragment>
      <Button size="sm" variant="outline" onClick={() => setOpen(true)}>
        Sync now…
      </Button>
      <Confirm
        open={open}
        onClose={() => setOpen(false)}
        title={ASK.syncNow.title}
        verb={ASK.syncNow.verb}
        disabled={!data || missing !== null}
        onConfirm={start}
      >
        <Box minHeight="5rem">
          {problem && !data && <Failure problem={problem} retry={reload} />}
          {!problem && !data && <Skeleton height="5rem" />}
          {missing && <Missing site={site} missing={missing} />}
          {data && !missing && <WhatFollows source={data.settings.source} />}
        </Box>
      </Confirm>
    </Fragment>
  );
}

function missingOf({ enabled, settings }: PreferencesState) {
  if (!settings.source) {
    return "This site has no source yet, so there is nothing to read. Name one in the preferences, or upload a package.";
  }
  if (enabled === null) {
    return "Airflow has not read this site's DAG yet. Try again in a few minutes.";
  }
  if (!enabled) {
    return "The sync of this site is off. Switch it on in the preferences, or upload a package.";
  }
  return null;
}

function Missing({ site, missing }: { site: string; missing: string }) {
  return (
    <Fragment>
      <Text mb="3">{missing}</Text>
      <Box display="flex" gap="4">
        <To to={`${HOME}/sites/${site}/preferences`}>Preferences</To>
        <To to={`${HOME}/sites/${site}/upload`}>Upload</To>
      </Box>
    </Fragment>
  );
}

function To({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor asChild color="fg.info">
      <Link to={to}>{children}</Link>
    </Anchor>
  );
}

function WhatFollows({ source }: { source: string | undefined | null }) {
  return (
    <Fragment>
      <Text mb="3">
        Reads the newest package of{" "}
        <Code overflowWrap="anywhere" whiteSpace="normal">
          {source}
        </Code>{" "}
        and applies its plan, if that stays within the site's limits.
      </Text>
      <Text color="fg.muted" fontSize="sm">
        Beyond them, nothing is applied until an administrator has looked. Scheduled syncs run as
        before.
      </Text>
    </Fragment>
  );
}
