/** The switch of scheduled syncs: the pause state of the site's DAG in Airflow. */

import { Box, Flex, Switch, Text } from "@chakra-ui/react";
import { useEffect, useId, useState } from "react";
import { sayDone } from "../../lib/toasts";
import { BAD, WARN } from "../../lib/colors";
import { asProblem, type Problem, put } from "../../lib/api";
import { Confirm } from "../../lib/dialogs";
import type { EnabledState, PreferencesState } from "../../lib/openapi";
import { planned, useZone } from "../../lib/time";
import { Failure } from "../../lib/ui";
import { TEXTS } from "./texts";
import { ASK } from "../../words/questions";

/**
 * Switch scheduled syncs on and off.
 *
 * @param props.latest The preferences as they were read last.
 * @param props.isStale Whether reading them again failed since.
 * @param props.isEdited Whether there are changes that are not saved.
 */
export function SyncSwitch({
  latest,
  isStale,
  isEdited,
  reload,
}: {
  latest: PreferencesState;
  isStale: boolean;
  isEdited: boolean;
  reload: () => void;
}) {
  const [answer, setAnswer] = useState<EnabledState | null>(null);
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const id = useId();
  useEffect(() => setAnswer(null), [latest]);

  const { enabled, next_run: nextRun } = answer ?? latest;
  const state = latest.archived_at ? "archived" : String(enabled);
  const set = async (isOn: boolean) => {
    setIsBusy(true);
    setProblem(null);
    try {
      setAnswer(await put(`sites/${latest.site}/enabled`, { enabled: isOn }));
      sayDone(isOn ? "Sync switched on" : "Sync switched off");
      reload();
    } finally {
      setIsBusy(false);
    }
  };
  const toggle = (isOn: boolean) => {
    if (isOn) {
      setIsAsking(true);
    } else {
      set(false).catch((caught) => setProblem(asProblem(caught)));
    }
  };

  return (
    <Box maxWidth="48rem">
      <Text fontWeight="bold" mb="1">
        {TEXTS.enabled.label}
      </Text>
      <Switch.Root
        checked={enabled === true}
        disabled={isBusy || enabled === null}
        colorPalette="brand"
        size="lg"
        onCheckedChange={(details) => toggle(details.checked)}
      >
        <Switch.HiddenInput aria-describedby={id} />
        <Switch.Control />
        <Switch.Label fontWeight="bold" fontSize="md">{`Sync ${WORDS[state]}`}</Switch.Label>
      </Switch.Root>
      <Box id={id} mt="1" minHeight="4.2em" role="status" fontSize="sm">
        <Flex gap="2" wrap="wrap">
          <NextRun state={state} nextRun={nextRun} siteZone={latest.settings.time_zone ?? null} />
        </Flex>
        <Text color={isStale ? BAD : "fg.muted"}>
          {isStale ? STALE : `${TEXTS.enabled.help} ${MEANINGS[state]}`}
        </Text>
      </Box>
      {problem && (
        <Box mt="2">
          <Failure problem={problem} />
        </Box>
      )}
      <Confirm
        open={isAsking}
        onClose={() => setIsAsking(false)}
        title={ASK.syncOn.title}
        verb={ASK.syncOn.verb}
        onConfirm={() => set(true)}
      >
        <WhatFollows latest={latest} isEdited={isEdited} />
      </Confirm>
    </Box>
  );
}

const WORDS: Record<string, string> = {
  true: "enabled",
  false: "off",
  null: "not in Airflow yet",
  archived: "off",
};

const MEANINGS: Record<string, string> = {
  true: "Missed syncs are not run later.",
  false: "Uploads still work.",
  null: "It works as soon as Airflow has read the DAG.",
  archived: "The site is archived: no run begins.",
};

const STALE =
  "The server does not answer right now, so this may be out of date. The page keeps asking.";

function NextRun({
  state,
  nextRun,
  siteZone,
}: {
  state: string;
  nextRun: string | null;
  siteZone: string | null;
}) {
  const zone = useZone();
  if (state !== "true") {
    return (
      <Text>
        {state === "null" ? "Airflow has not read the DAG of this site." : "No sync is planned."}
      </Text>
    );
  }
  if (!nextRun) {
    return <Text>Airflow plans the next run; this takes a few seconds.</Text>;
  }
  return (
    <Text>
      Next run:{" "}
      <Text as="strong">
        <time dateTime={nextRun}>{planned(nextRun, zone, siteZone)}</time>
      </Text>
    </Text>
  );
}

/** What switching on will do. */
function WhatFollows({ latest, isEdited }: { latest: PreferencesState; isEdited: boolean }) {
  const zone = useZone();
  const next = latest.upcoming.find(({ skipped_because: pause }) => !pause);
  const { source, credited_admin: admin } = latest.settings;
  return (
    <Flex direction="column" gap="3">
      {next ? (
        <Text>
          The first sync runs on{" "}
          <Text as="strong">{planned(next.at, zone, latest.settings.time_zone)}</Text>, and from
          then on by the schedule.
        </Text>
      ) : (
        <Text>No sync is planned within the next ten years: look at the pauses.</Text>
      )}
      <Text color="fg.muted" fontSize="sm">
        Syncs missed while it was off are not run later. Limits hold a sync that would remove too
        much.
      </Text>
      {isEdited && <Text color={WARN}>You have unsaved changes. They do not apply yet.</Text>}
      {!source && (
        <Text color={WARN}>
          This site has no source: a scheduled sync has nothing to read and fails.
        </Text>
      )}
      {(!admin || !latest.credited_admin_active) && (
        <Text color={WARN}>
          The credited administrator is missing or not active: syncs will fail.
        </Text>
      )}
    </Flex>
  );
}
