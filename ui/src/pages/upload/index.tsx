/** Upload: a file that somebody brings becomes a sync; mappings for administrators. */

import { Alert, Box, Grid, Text } from "@chakra-ui/react";
import { useEffect, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router-dom";
import { inSelected } from "../../lib/time";
import { useApi } from "../../lib/api";
import { Disclosure, LeaveGuard } from "../../lib/dialogs";
import type { EarlierRun, PreferencesState, Uploaded, UploadLimits } from "../../lib/openapi";
import { HOME, type May, Page } from "../../lib/ui";
import { outcomeLabel } from "../../lib/words";
import { KINDS, MAPPINGS } from "./kinds";
import { Target } from "./target";
import { type Uploading, useUpload } from "./use_upload";
import { ASK } from "../../words/questions";

const NOTE_MS = 700;

const POLL_MS = 10000;

/**
 * Take in users.csv, courses.csv, a whole package or a mapping, and follow the sync that reads it.
 *
 * @param props.may What the viewer may do.
 */
export function Upload({ may }: { may: May }) {
  const { site = "" } = useParams();
  return (
    <Page title="Upload" site={site} may={may} tab="upload">
      <OfSite key={site} site={site} may={may} />
    </Page>
  );
}

function OfSite({ site, may }: { site: string; may: May }) {
  const { data: limits } = useApi(`sites/${site}/uploads/limits`, { keep: true });
  const { data: preferences } = useApi(`sites/${site}/preferences`, { every: POLL_MS, keep: true });
  const kinds = may.administer ? [...KINDS, ...MAPPINGS] : KINDS;
  const uploading = { ...useUpload(site, limits), kinds };
  const { stage, answer } = uploading.state;
  const navigate = useNavigate();

  useEffect(() => {
    if (stage !== "done" || !answer) {
      return undefined;
    }
    const state = { notice: sameAgain(answer.same_as) };
    const timer = setTimeout(() => navigate(runPath(answer), { state }), NOTE_MS);
    return () => clearTimeout(timer);
  }, [stage, answer, navigate]);

  return (
    <Box onDragOver={(event) => event.preventDefault()} onDrop={(event) => event.preventDefault()}>
      <Intro site={site} may={may} preferences={preferences} />
      <Grid gap="4" templateColumns={{ base: "minmax(0, 1fr)", lg: "repeat(3, minmax(0, 1fr))" }}>
        {KINDS.map((kind) => (
          <Target
            key={kind.kind}
            kind={kind}
            limit={limits?.[kind.kind] ?? null}
            isAllowed={may.operate}
            uploading={uploading}
          />
        ))}
      </Grid>
      {may.administer && <MoreTargets limits={limits} uploading={uploading} />}
      <LeaveGuard
        when={stage === "sending"}
        title={ASK.stopUpload.title}
        leave={ASK.stopUpload.verb}
      >
        <Text>The upload is not complete. If you leave now, the file is not kept.</Text>
      </LeaveGuard>
    </Box>
  );
}

function runPath({ run_id: id, dag_id, dag_run_id }: Uploaded) {
  return `${HOME}/runs/${id}?${new URLSearchParams({ dag_id, dag_run_id })}`;
}

/** What the page of the run says when the same file was read before. */
function sameAgain(earlier: EarlierRun | null) {
  if (!earlier) {
    return null;
  }
  const when = inSelected(earlier.started_at);
  if (earlier.is_preview) {
    return `This file was checked on ${when}; nothing of it was applied then.`;
  }
  const how = outcomeLabel(earlier.outcome).toLowerCase();
  return `This file was already processed on ${when} (${how}), so there may be nothing new in it.`;
}

function Intro({
  site,
  may,
  preferences,
}: {
  site: string;
  may: May;
  preferences: PreferencesState | null;
}) {
  return (
    <Box mb="4" minHeight="3em">
      <Text color="fg.muted" maxWidth="60rem">
        Upload a file to sync now, or check it only. A sync is held for approval if it removes too
        much.
      </Text>
      <Text color="fg.muted" minHeight="1.5em">
        {preferences?.enabled === false && [
          "The scheduled sync is off. Uploads still work. ",
          <Box key="link" asChild color="fg.info" textDecoration="underline">
            <Link to={`${HOME}/sites/${site}/preferences`}>Preferences</Link>
          </Box>,
        ]}
      </Text>
      {!may.operate && <MayNot />}
    </Box>
  );
}

function MayNot() {
  return (
    <Alert.Root status="info" mt="2">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>You cannot upload</Alert.Title>
        <Alert.Description>
          An upload changes accounts and courses, so it takes a role that may trigger DAGs: Op or
          Admin. Ask somebody who has it to upload your file, or an administrator to give you that
          role.
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

/**
 * Take in mappings; open when the address or an upload is of one.
 *
 * @param props.limits Bytes that each kind may have.
 * @param props.uploading As `useUpload` gives it.
 */
export function MoreTargets({
  limits,
  uploading,
}: {
  limits: UploadLimits | null;
  uploading: Uploading;
}) {
  const [params] = useSearchParams();
  const [isOpen, setIsOpen] = useState(isMapping(params.get("kind")));
  if (isMapping(uploading.state.kind) && !isOpen) {
    setIsOpen(true);
  }
  return (
    <Box mt="4">
      <Disclosure label="More: account links, new sourcedIds" isOpen={isOpen} onToggle={setIsOpen}>
        <Text color="fg.muted" mb="3" maxWidth="60rem">
          These files contain no people and no courses. They link accounts or change sourcedIds, and
          nothing else. Each is a run with its own plan and limits, and can be undone.
        </Text>
        <Grid gap="4" templateColumns={{ base: "minmax(0, 1fr)", lg: "repeat(3, minmax(0, 1fr))" }}>
          {MAPPINGS.map((kind) => (
            <Target
              key={kind.kind}
              kind={kind}
              limit={limits?.[kind.kind] ?? null}
              isAllowed
              uploading={uploading}
            />
          ))}
        </Grid>
      </Disclosure>
    </Box>
  );
}

function isMapping(kind: string | null) {
  return MAPPINGS.some((one) => one.kind === kind);
}
