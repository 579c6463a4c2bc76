/** The page of a site's preferences: the switch of its sync, and all groups of settings. */

import { Alert, Box, Flex, Skeleton, Switch, Text } from "@chakra-ui/react";
import { useCallback, useEffect, useId, useRef, useState } from "react";
import { useParams } from "react-router-dom";
import { asProblem, type Problem, put, useApi } from "../../lib/api";
import { Confirm, LeaveGuard } from "../../lib/dialogs";
import type { EnabledState, FieldProblem, PreferencesState } from "../../lib/openapi";
import { Failure, type May, Page, Time } from "../../lib/ui";
import { local, utc } from "../../lib/words";
import { Credited } from "./admin";
import { FormProvider, READABLE, Section } from "./fields";
import { isWithin, usePreferencesForm } from "./form";
import { History } from "./history";
import { Told } from "./notifications";
import { Processing } from "./processing";
import { Conflict, SaveBar } from "./save";
import { Schedule } from "./schedule";
import { Source } from "./source";
import { Limits } from "./thresholds";

const POLL_MS = 5000;

const LOGGED_OUT = 401;

const HEIGHTS = ["9rem", "10rem", "32rem", "40rem"];

/**
 * Show a site's preferences; who may not change them reads them.
 *
 * @param props.may What the viewer may do.
 */
export function Preferences({ may }: { may: May }) {
  const { site = "" } = useParams();
  return (
    <Page title="Preferences" site={site} may={may} tab="preferences">
      <OfSite key={site} site={site} may={may} />
    </Page>
  );
}

function OfSite({ site, may }: { site: string; may: May }) {
  const { data, problem, reload } = useApi(`sites/${site}/preferences`, { every: POLL_MS });
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Waiting />;
  }
  return (
    <Box>
      {problem?.status === LOGGED_OUT && (
        <Box mb="4">
          <Failure problem={problem} />
        </Box>
      )}
      <PreferencesForm
        site={site}
        may={may}
        latest={data}
        isStale={problem !== null}
        reload={reload}
      />
    </Box>
  );
}

/** Holds the place of the groups. */
function Waiting() {
  return (
    <Box role="status" aria-label="Loading">
      {HEIGHTS.map((height, index) => (
        <Skeleton key={index} height={height} borderRadius="8px" mb="4" />
      ))}
    </Box>
  );
}

/**
 * Show a site's preferences, to be changed by whoever may.
 *
 * @param props.latest The preferences as they were read last.
 * @param props.isStale Whether reading them again failed since.
 */
export function PreferencesForm({
  site,
  may,
  latest,
  isStale,
  reload,
}: {
  site: string;
  may: May;
  latest: PreferencesState;
  isStale: boolean;
  reload: () => void;
}) {
  const form = usePreferencesForm(site, latest, reload);
  const root = useRef<HTMLFormElement>(null);
  const isReadOnly = !may.administer;
  const goTo = useCallback((field: string) => focusOn(root.current, [{ field }]), []);
  const wrong = useRef<FieldProblem[]>([]);
  wrong.current = form.errors;

  useEffect(() => {
    if (form.refusals) {
      focusOn(root.current, wrong.current);
    }
  }, [form.refusals]);

  return (
    <FormProvider value={{ ...form, latest, isReadOnly }}>
      {isReadOnly && !may.archivedAt && <ReadOnly />}
      <SyncSwitch
        latest={latest}
        isStale={isStale}
        isReadOnly={isReadOnly}
        isEdited={form.changed.length > 0}
        reload={reload}
      />
      <form
        ref={root}
        noValidate
        aria-label="Preferences"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isReadOnly && form.changed.length && !form.isBusy) {
            form.save();
          }
        }}
      >
        <Credited />
        <Schedule />
        <Processing />
        <Limits />
        <Told />
        <Source />
        {!isReadOnly && <SaveBar form={form} enabled={latest.enabled} goTo={goTo} />}
      </form>
      {may.details && <History site={site} state={`${latest.version} ${latest.enabled}`} />}
      <Conflict form={form} />
      <LeaveGuard
        when={form.changed.length > 0}
        title="Leave without saving?"
        leave="Leave without saving"
      >
        <Text>What you changed is lost: {form.changed.map(({ label }) => label).join(", ")}.</Text>
      </LeaveGuard>
    </FormProvider>
  );
}

function ReadOnly() {
  return (
    <Alert.Root status="info" mb="4">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>You can read these preferences</Alert.Title>
        <Alert.Description>
          Only administrators of Airflow change them. Ask one of them, or somebody who gives you
          that role.
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

/** Move the focus to the first setting that is named, in the order of the page. */
function focusOn(root: HTMLElement | null, errors: Pick<FieldProblem, "field">[]) {
  const named = [...(root?.querySelectorAll<HTMLElement>("[data-setting]") ?? [])].filter(
    ({ dataset }) => errors.some(({ field }) => isWithin(field, dataset.setting ?? "")),
  );
  const box = named.find((one) => !named.some((other) => other !== one && one.contains(other)));
  const control =
    box?.querySelector<HTMLElement>("[aria-invalid=true]") ??
    box?.querySelector<HTMLElement>("input:not([readonly]), button");
  box?.scrollIntoView({ block: "center" });
  control?.focus({ preventScroll: true });
}

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
  isReadOnly,
  isEdited,
  reload,
}: {
  latest: PreferencesState;
  isStale: boolean;
  isReadOnly: boolean;
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
    <Section
      title="Scheduled syncs"
      hint="Takes effect immediately. Same as pausing the DAG in Airflow."
    >
      <Box>
        <Switch.Root
          checked={enabled === true}
          disabled={isReadOnly || isBusy || enabled === null}
          colorPalette="brand"
          size="lg"
          onCheckedChange={(details) => toggle(details.checked)}
        >
          <Switch.HiddenInput aria-describedby={id} />
          <Switch.Control {...READABLE} />
          <Switch.Label
            {...READABLE}
            fontWeight="bold"
            fontSize="md"
          >{`Sync ${WORDS[state]}`}</Switch.Label>
        </Switch.Root>
        <Box id={id} mt="2" minHeight="3em" role="status">
          <Flex gap="2" wrap="wrap">
            <NextRun state={state} nextRun={nextRun} />
          </Flex>
          <Text color={isStale ? "fg.error" : "fg.muted"} fontSize="sm">
            {isStale ? STALE : MEANINGS[state]}
          </Text>
        </Box>
        {problem && (
          <Box mt="2">
            <Failure problem={problem} />
          </Box>
        )}
      </Box>
      <Confirm
        open={isAsking}
        onClose={() => setIsAsking(false)}
        title="Switch the sync on?"
        verb="Switch on"
        onConfirm={() => set(true)}
      >
        <WhatFollows latest={latest} isEdited={isEdited} />
      </Confirm>
    </Section>
  );
}

const WORDS: Record<string, string> = {
  true: "enabled",
  false: "off",
  null: "not in Airflow yet",
  archived: "off",
};

const MEANINGS: Record<string, string> = {
  true: "Missed syncs are not run later. Uploads run beside it, one after the other.",
  false: "Nothing runs by itself. Uploads still work, and change the roster as always.",
  null: "Airflow reads new DAGs every few minutes. This switch works as soon as it has read this site's.",
  archived: "The site is archived: no run of it begins, by the schedule or otherwise.",
};

const STALE =
  "The server does not answer right now, so this may be out of date. The page keeps asking.";

function NextRun({ state, nextRun }: { state: string; nextRun: string | null }) {
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
        <Time at={nextRun} seconds={false} />
      </Text>
      <Text as="span" color="fg.muted">{` · ${local(nextRun)}`}</Text>
    </Text>
  );
}

/** What switching on will do. */
function WhatFollows({ latest, isEdited }: { latest: PreferencesState; isEdited: boolean }) {
  const next = latest.upcoming.find(({ skipped_because: pause }) => !pause);
  const { source, credited_admin: admin } = latest.settings;
  return (
    <Flex direction="column" gap="3">
      {next ? (
        <Text>
          The first sync runs on <Text as="strong">{utc(next.at, { seconds: false })}</Text>
          {` (${local(next.at)}), and from then on by the schedule.`}
        </Text>
      ) : (
        <Text>No sync is planned within the next ten years: look at the pauses.</Text>
      )}
      <Text color="fg.muted" fontSize="sm">
        Syncs missed while it was off are not run later. Limits hold a sync that would remove too
        much.
      </Text>
      {isEdited && (
        <Text color="fg.warning">You have changes that are not saved; they do not count yet.</Text>
      )}
      {!source && (
        <Text color="fg.warning">
          This site has no source: a scheduled sync will find nothing to read, and fail.
        </Text>
      )}
      {(!admin || !latest.credited_admin_active) && (
        <Text color="fg.warning">
          The credited administrator is missing or not active: syncs will fail.
        </Text>
      )}
    </Flex>
  );
}
