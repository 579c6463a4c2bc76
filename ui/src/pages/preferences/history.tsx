/** Who saved or switched what, the newest first. */

import { Box, Button, Flex, Text } from "@chakra-ui/react";
import { useEffect, useId, useState } from "react";
import { useApi } from "../../lib/api";
import type { FieldChange, Save as SaveOf } from "../../lib/openapi";
import { Empty, Failure, Loading, Time } from "../../lib/ui";
import { byWhom, differences, type Draft, inWords, SETTINGS, valueAt } from "./settings";
import { EMPTY } from "../../words/empty";

const SHOWN = 20;

const PARTED = new Set(["guards", "notices"]);

const EVENTS: Record<string, string> = {
  preferences_saved: "saved the preferences",
  sync_enabled: "switched the sync on",
  sync_disabled: "switched the sync off",
};

/**
 * Show the last saves when somebody wants to see them.
 *
 * @param props.state Changes whenever there may be something new.
 */
export function History({ site, state }: { site: string; state: string }) {
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  return (
    <Box as="section" aria-label="History" my="4">
      <Button
        type="button"
        size="sm"
        variant="ghost"
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setIsOpen(!isOpen)}
      >
        <Box as="span" aria-hidden>
          {isOpen ? "▾" : "▸"}
        </Box>
        Who changed what
      </Button>
      <Box id={id} hidden={!isOpen} mt="2">
        {isOpen && <Saves site={site} state={state} />}
      </Box>
    </Box>
  );
}

function Saves({ site, state }: { site: string; state: string }) {
  const { data, problem, reload } = useApi(`sites/${site}/preferences/saves`, {
    params: { limit: SHOWN },
  });
  useEffect(() => reload(), [state, reload]);
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="8rem" />;
  }
  if (data.saves.length === 0) {
    return <Empty {...EMPTY.saves} />;
  }
  return (
    <Box as="ol" listStyleType="none" borderTopWidth="1px" borderColor="border">
      {data.saves.map((save, index) => (
        <Save key={`${save.at} ${index}`} save={save} />
      ))}
    </Box>
  );
}

function Save({ save: { at, actor, event, changes } }: { save: SaveOf }) {
  const lines = changes.flatMap(linesOf);
  return (
    <Flex
      as="li"
      columnGap="6"
      rowGap="1"
      wrap="wrap"
      py="3"
      px="2"
      borderBottomWidth="1px"
      borderColor="border"
      fontSize="sm"
    >
      <Text color="fg.muted" flex="0 0 11rem">
        <Time at={at} />
      </Text>
      <Box flex="1 1 20rem" minWidth={0}>
        <Text>
          <Text as="strong">{byWhom(actor)}</Text>
          {` ${EVENTS[event] ?? event}`}
        </Text>
        {event === "preferences_saved" && lines.length === 0 && (
          <Text color="fg.muted">No setting changed.</Text>
        )}
        <Box as="dl">
          {lines.map(({ label, before, after }) => (
            <Line key={label} label={label} before={before} after={after} />
          ))}
        </Box>
      </Box>
    </Flex>
  );
}

function Line({
  label,
  before,
  after,
}: {
  label: string;
  before: string | null;
  after: string | null;
}) {
  return (
    <Flex columnGap="2" wrap="wrap" overflowWrap="anywhere">
      <Box as="dt" color="fg.muted">
        {after === null ? label : `${label}:`}
      </Box>
      {after !== null && (
        <Box as="dd" m="0">
          {before !== null && <Text as="span" color="fg.muted">{`${before} → `}</Text>}
          {after}
        </Box>
      )}
    </Flex>
  );
}

/** Return what a changed field comes to; of limits and of notices each setting by itself. */
function linesOf({
  field,
  before,
  after,
}: FieldChange): { label: string; before: string | null; after: string | null }[] {
  if (field === "credited_admin_id") {
    return [{ label: "Another credited administrator", before: null, after: null }];
  }
  const was: Draft = { [field]: before };
  const is: Draft = { [field]: after };
  const settings = PARTED.has(field)
    ? differences(was, is)
    : SETTINGS.filter(({ path }) => path === field);
  return settings.map(({ path, label }) => ({
    label,
    before: before === null ? null : inWords(path, valueAt(was, path)),
    after: inWords(path, valueAt(is, path)),
  }));
}
