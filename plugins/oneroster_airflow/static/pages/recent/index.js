/** Recent synchronizations of a site: the list, its filters, and how it went over time. */

import { useApi } from "../../lib/api.js";
import { Empty, Failure, HOME, Loading, Page, h } from "../../lib/ui.js";
import { Attention } from "./attention.js";
import { Filters, useFilters } from "./filters.js";
import { Paging } from "./paging.js";
import { SyncNow } from "./sync_now.js";
import { RunTable } from "./table.js";
import { TrendCard } from "./trend.js";

const { Box, Button, Text } = globalThis.ChakraUI;
const { Link, useParams } = globalThis.ReactRouterDOM;
const { Fragment, useState } = globalThis.React;

const LISTED = 25;
const MOVING_MS = 2000;
const STILL_MS = 15000;
const FRESHNESS_MS = 60000;

/**
 * Show what a site's runs came to.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Recent({ may }) {
  const { site } = useParams();
  const filters = useFilters();
  const [moving, setMoving] = useState(false);
  const freshness = useApi(`sites/${site}/freshness`, { every: FRESHNESS_MS, keep: true });
  const { data: runs, problem, isOther, reload } = useApi(`sites/${site}/runs`, {
    params: { ...filters.values, before: filters.before, limit: LISTED },
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
  return h(
    Page,
    {
      title: "Recent synchronizations",
      site,
      may,
      tab: "runs",
      actions: may.operate && data && !isNew && h(Actions, { site }),
    },
    newest && h(Attention, { runs: newest, freshness: freshness.data }),
    data && !isNew && hasTrend(newest) && h(TrendCard, { site, newest: markOf(newest) }),
    data && !isNew && h(Filters, { filters }),
    problem && h(Box, { mb: "3" }, h(Failure, { problem, retry: reload })),
    data
      ? h(Runs, { data, site, may, filters, isOther })
      : !problem && h(Loading, { height: "40rem" }),
  );
}

/** Keep the newest runs as they were seen last, so that a filter moves nothing above it. */
function useNewest(data, isUnfiltered) {
  const [newest, setNewest] = useState(null);
  if (data && isUnfiltered && data.runs !== newest) {
    setNewest(data.runs);
  }
  return newest;
}

/** Tell whether there may be two runs to draw, so that no place is held for a chart of none. */
function hasTrend(newest) {
  const drawn = newest?.filter(({ outcome, counts }) => outcome !== null && counts !== null);
  return !newest || newest.length === LISTED || drawn.length > 1;
}

/** Return what moves when a run has ended, or ended otherwise. */
function markOf(newest) {
  const ended = newest?.find(({ outcome }) => outcome !== null);
  return ended ? `${ended.run_id} ${ended.outcome}` : undefined;
}

function Actions({ site }) {
  return h(
    Fragment,
    null,
    h(SyncNow, { site }),
    h(
      Button,
      { asChild: true, size: "sm", colorPalette: "brand" },
      h(Link, { to: `${HOME}/sites/${site}/upload` }, "Upload"),
    ),
  );
}

function Runs({ data, site, may, filters, isOther }) {
  if (data.runs.length === 0) {
    return filters.any ? h(NoneFits, { filters }) : h(Never, { site, may });
  }
  return h(
    Box,
    { opacity: isOther ? 0.6 : 1, transition: "opacity 0.15s ease 0.2s" },
    h(RunTable, { runs: data.runs, may }),
    h(Paging, { data, filters }),
  );
}

function NoneFits({ filters }) {
  return h(
    Empty,
    { title: "No run fits" },
    h(Button, { size: "sm", variant: "outline", mt: "2", onClick: filters.clear }, "Show all runs"),
  );
}

function Never({ site, may }) {
  return h(
    Empty,
    { title: "This site has never been synchronized" },
    h(
      Text,
      null,
      "Look at the preferences first: who is credited, what is processed, and when. Then upload a package, or switch the sync on. A first sync only adds, and waits when accounts made by hand look like people of the package.",
    ),
    h(
      Box,
      { mt: "4", display: "flex", gap: "2", justifyContent: "center", flexWrap: "wrap" },
      h(
        Button,
        { asChild: true, size: "sm", variant: "outline" },
        h(Link, { to: `${HOME}/sites/${site}/preferences` }, "Preferences"),
      ),
      may.operate &&
        h(
          Button,
          { asChild: true, size: "sm", colorPalette: "brand" },
          h(Link, { to: `${HOME}/sites/${site}/upload` }, "Upload a package"),
        ),
    ),
  );
}
