/** How a site is, at the head of each of its pages; and the bar that says that all syncs are stopped. */

import { Alert, Box, Grid, Skeleton, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link } from "react-router-dom";
import { inSelected, planned, selectedZone } from "./time";
import { BAD, WARN } from "./colors";
import { useApi } from "./api";
import type { Maintenance, SiteStatus } from "./openapi";
import { HOME, Time } from "./ui";
import { capital, counted, inTime, number } from "./words";
import { PLURALS } from "../words/records";

const EVERY_MS = 30_000;

/** Keep the status of a site fresh. */
export function useStatus(site: string | undefined) {
  const path = site ? (`sites/${site}/status` as const) : null;
  const { data: status, problem } = useApi(path, { every: EVERY_MS, keep: true });
  return { status, problem };
}

/**
 * Show how a site is; while that is not known its place is held.
 *
 * @param props.isRefused Whether the server could not say it.
 */
export function SiteHead({
  site,
  status,
  isArchived,
  isRefused,
}: {
  site: string;
  status: SiteStatus | null;
  isArchived: boolean;
  isRefused: boolean;
}) {
  const { active = null } = status ?? {};
  const unknown = isRefused ? "–" : null;
  return (
    <Box role="group" aria-label={`Status of ${site}`}>
      <Grid
        as="dl"
        templateColumns={{ base: "repeat(2, minmax(0, 1fr))", md: "repeat(7, auto)" }}
        justifyContent={{ md: "space-between" }}
        columnGap="4"
        rowGap="2"
        mb="4"
        px="3"
        py="2"
        borderWidth="1px"
        borderColor="border"
        borderRadius="8px"
        fontSize="sm"
      >
        <Fact label="Active users">{active ? number(active.users) : unknown}</Fact>
        <Fact label="Courses">{active ? number(active.courses) : unknown}</Fact>
        <Fact label={capital(PLURALS.assignments)}>
          {active ? number(active.assignments) : unknown}
        </Fact>
        <Fact label="Last applied">{status ? <LastApplied status={status} /> : unknown}</Fact>
        <Fact label="Next sync">
          {status ? (
            isArchived ? (
              "None: archived"
            ) : (
              <NextSync site={site} status={status} />
            )
          ) : (
            unknown
          )}
        </Fact>
        <Fact label="Approvals">{status ? <Approvals status={status} /> : unknown}</Fact>
        <Fact label="Export">{status ? <Export status={status} /> : unknown}</Fact>
      </Grid>
    </Box>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Box minWidth="0">
      <Text as="dt" color="fg.muted" fontSize="xs">
        {label}
      </Text>
      <Box as="dd" m="0" fontWeight="semibold" minHeight="1.4em">
        {children ?? <Skeleton height="1.2em" width="4rem" />}
      </Box>
    </Box>
  );
}

function LastApplied({ status: { applied_at: at, applied_run: run, standstill } }: Shown) {
  if (!at || !run) {
    return <Text as="span">Never</Text>;
  }
  const color = standstill.level === "error" ? BAD : standstill.level ? WARN : "fg.info";
  return (
    <Box asChild color={color} _hover={{ textDecoration: "underline" }}>
      <Link to={`${HOME}/runs/${run}`} title={standstill.level ? standstill.sentence : undefined}>
        <Time at={at} seconds={false} bare />
      </Link>
    </Box>
  );
}

interface Shown {
  status: SiteStatus;
}

function NextSync({
  site,
  status: { next_run: next, enabled, maintenance, time_zone: zone },
}: Shown & { site: string }) {
  if (maintenance) {
    return <Text as="span">Stopped for maintenance</Text>;
  }
  if (enabled === null) {
    return <Text as="span">Not in Airflow yet</Text>;
  }
  if (!enabled) {
    return (
      <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
        <Link to={`${HOME}/sites/${site}/preferences`}>Sync is off</Link>
      </Box>
    );
  }
  return next ? (
    <time dateTime={next} title={planned(next, selectedZone(), zone)}>
      {inTime(next)}
    </time>
  ) : (
    <Text as="span">None scheduled</Text>
  );
}

function Approvals({ status: { waiting, waiting_run: run } }: Shown) {
  if (waiting === 0 || !run) {
    return <Text as="span">None needed</Text>;
  }
  return (
    <Box asChild color={WARN} textDecoration="underline">
      <Link to={`${HOME}/runs/${run}`}>{`${number(waiting)} needed`}</Link>
    </Box>
  );
}

function Export({ status }: Shown) {
  const { has_export: has, export_days: days, is_stale: isStale } = status;
  const { out_of_step: lost, stale_records: stale } = status;
  const age = has ? (days === 0 ? "New today" : `${counted(days, "day")} old`) : "None yet";
  const more = [
    ...lost.map(({ file }) => `out of step with ${file}`),
    ...(stale > 0 ? [`stale protection: ${counted(stale, "record")}`] : []),
  ];
  const isBad = isStale || more.length > 0;
  return (
    <Text as="span" color={isBad ? WARN : undefined}>
      {[age, ...more].join(", ")}
    </Text>
  );
}

/** Say on every page that no sync begins, and why. */
export function MaintenanceBar({ maintenance }: { maintenance: Maintenance | null | undefined }) {
  return maintenance ? (
    <Alert.Root status="warning" mb="4">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>All syncs are stopped for maintenance</Alert.Title>
        <Alert.Description>
          {`${maintenance.reason} (${maintenance.started_by}, since ${inSelected(maintenance.since)}). Each site continues as before when it is over.`}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  ) : null;
}
