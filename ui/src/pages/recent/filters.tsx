/** What the list of runs is narrowed to, and where one is in it; both stand in the address, to be shared. */

import { Box, Button, Flex, Input, NativeSelect, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { useSearchParams } from "react-router-dom";
import type { Runs } from "../../lib/openapi";
import { cityOf, UTC, useZone } from "../../lib/time";
import { capital, counted, number, OUTCOME_NAMES, outcomeLabel } from "../../lib/words";
import { TRIGGERS } from "../../words/runs";
import { SHARED } from "../../words/shared";

const NAMES = ["outcome", "trigger", "from", "to"];

/**
 * Return the filters, where the list stands, and ways to change both.
 *
 * `trail` are the cursors of the pages before this one, so that "Newer" leads back.
 */
export function useFilters() {
  const [params, setParams] = useSearchParams();
  const values = Object.fromEntries(NAMES.map((name) => [name, params.get(name) ?? ""]));
  const trail = params.getAll("before");
  const change = (next: URLSearchParams) => setParams(next, { replace: true });
  return {
    values,
    any: NAMES.some((name) => values[name]),
    before: trail.at(-1) ?? null,
    page: trail.length,
    set: (name: string, value: string) => {
      const next = new URLSearchParams(params);
      next.delete("before");
      if (value) {
        next.set(name, value);
      } else {
        next.delete(name);
      }
      change(next);
    },
    clear: () => change(new URLSearchParams()),
    older: (cursor: string) => {
      const next = new URLSearchParams(params);
      next.append("before", cursor);
      change(next);
    },
    newer: () => {
      const next = new URLSearchParams(params);
      next.delete("before");
      trail.slice(0, -1).forEach((cursor) => next.append("before", cursor));
      change(next);
    },
  };
}

/** The filters of the list, and where it stands. */
export type FilterState = ReturnType<typeof useFilters>;

/**
 * Show the filters.
 *
 * @param props.filters As `useFilters` returns them.
 */
export function Filters({ filters }: { filters: FilterState }) {
  const { values, set, any, clear } = filters;
  const zone = useZone();
  return (
    <Box
      as="search"
      display={{ base: "grid", md: "flex" }}
      gridTemplateColumns="repeat(2, minmax(0, 1fr))"
      gap="3"
      flexWrap="wrap"
      alignItems="end"
      mb="4"
    >
      <Choice
        label="Outcome"
        value={values.outcome}
        onChange={(value) => set("outcome", value)}
        choices={OUTCOME_NAMES.map((name) => [name, outcomeLabel(name)])}
      />
      <Choice
        label="Started by"
        value={values.trigger}
        onChange={(value) => set("trigger", value)}
        choices={Object.entries(TRIGGERS)}
      />
      <Day name="from" zone={zone} value={values.from} max={values.to} set={set} />
      <Day name="to" zone={zone} value={values.to} min={values.from} set={set} />
      {any && (
        <Button size="sm" variant="ghost" onClick={clear}>
          Clear filters
        </Button>
      )}
    </Box>
  );
}

function Choice({
  label,
  value,
  onChange,
  choices,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  choices: string[][];
}) {
  return (
    <Labelled label={label}>
      <NativeSelect.Root size="sm" width={{ base: "100%", md: "11rem" }}>
        <NativeSelect.Field
          aria-label={label}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        >
          <option value="">All</option>
          {choices.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
    </Labelled>
  );
}

/** A day in the zone in which the list shows its times. */
function Day({
  name,
  zone,
  value,
  set,
  min,
  max,
}: {
  name: string;
  zone: string;
  value: string;
  set: (name: string, value: string) => void;
  min?: string;
  max?: string;
}) {
  const label = `${capital(name)} (${zone === UTC ? zone : cityOf(zone)})`;
  return (
    <Labelled label={label}>
      <Input
        type="date"
        size="sm"
        width={{ base: "100%", md: "10rem" }}
        aria-label={label}
        value={value}
        min={min || "2000-01-01"}
        max={max || "2999-12-31"}
        onChange={(event) => set(name, event.target.value)}
      />
    </Labelled>
  );
}

function Labelled({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Box>
      <Text aria-hidden fontSize="xs" fontWeight="bold" color="fg.muted" mb="1">
        {label}
      </Text>
      {children}
    </Box>
  );
}

const SIZE = 25;

/**
 * Lead to newer and older runs.
 *
 * @param props.data A page of runs.
 * @param props.filters As `useFilters` returns them.
 */
export function Paging({ data, filters }: { data: Runs; filters: FilterState }) {
  const first = filters.page * SIZE + 1;
  const last = first + data.runs.length - 1;
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
        {data.total <= SIZE && filters.page === 0
          ? counted(data.total, "run")
          : `${number(first)} to ${number(last)} of ${counted(data.total, "run")}`}
      </Text>
      <Flex gap="2">
        <Button size="sm" variant="outline" disabled={filters.page === 0} onClick={filters.newer}>
          Newer
        </Button>
        <Button
          size="sm"
          variant="outline"
          disabled={!data.older}
          onClick={() => data.older && filters.older(data.older)}
        >
          Older
        </Button>
      </Flex>
    </Flex>
  );
}
