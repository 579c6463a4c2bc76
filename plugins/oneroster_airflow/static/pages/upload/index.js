/** Upload: a file that somebody brings becomes a sync. */

import { useApi } from "../../lib/api.js";
import { LeaveGuard } from "../../lib/leave.js";
import { HOME, Page, h } from "../../lib/ui.js";
import { outcomeLabel, utc } from "../../lib/words.js";
import { KINDS, MAPPINGS } from "./kinds.js";
import { MoreTargets } from "./more.js";
import { Target } from "./target.js";
import { useUpload } from "./use_upload.js";

const { Alert, Box, Grid, Text } = globalThis.ChakraUI;
const { Link, useNavigate, useParams } = globalThis.ReactRouterDOM;
const { useEffect } = globalThis.React;

const NOTE_MS = 700;
const POLL_MS = 10000;

/**
 * Take in users.csv, courses.csv, a whole package or a mapping, and follow the sync that reads it.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Upload({ may }) {
  const { site } = useParams();
  return h(
    Page,
    { title: "Upload", site, may, tab: "upload" },
    h(OfSite, { key: site, site, may }),
  );
}

function OfSite({ site, may }) {
  const { data: limits } = useApi(`sites/${site}/uploads/limits`, { keep: true });
  const { data: preferences } = useApi(`sites/${site}/preferences`, { every: POLL_MS, keep: true });
  const kinds = may.administer ? [...KINDS, ...MAPPINGS] : KINDS;
  const uploading = { ...useUpload(site, limits), kinds };
  const { stage, answer } = uploading.state;
  const navigate = useNavigate();

  useEffect(() => {
    if (stage !== "done") {
      return undefined;
    }
    const state = { notice: sameAgain(answer.same_as) };
    const timer = setTimeout(() => navigate(runPath(answer), { state }), NOTE_MS);
    return () => clearTimeout(timer);
  }, [stage, answer, navigate]);

  return h(
    Box,
    {
      onDragOver: (event) => event.preventDefault(),
      onDrop: (event) => event.preventDefault(),
    },
    h(Intro, { site, may, preferences }),
    h(
      Grid,
      {
        gap: "4",
        templateColumns: { base: "minmax(0, 1fr)", lg: "repeat(3, minmax(0, 1fr))" },
      },
      KINDS.map((kind) =>
        h(Target, {
          key: kind.kind,
          kind,
          limit: limits?.[kind.kind] ?? null,
          isAllowed: may.operate,
          uploading,
        }),
      ),
    ),
    may.administer && h(MoreTargets, { limits, uploading }),
    h(
      LeaveGuard,
      { when: stage === "sending", title: "Stop the upload?", leave: "Stop and leave" },
      h(Text, null, "The file has not arrived. If you leave now, nothing of it is kept."),
    ),
  );
}

function runPath({ run_id: id, dag_id, dag_run_id }) {
  return `${HOME}/runs/${id}?${new URLSearchParams({ dag_id, dag_run_id })}`;
}

/** What the page of the run tells when the same file was read before. */
function sameAgain(earlier) {
  if (!earlier) {
    return null;
  }
  const when = utc(earlier.started_at, { seconds: false });
  const how = outcomeLabel(earlier.outcome).toLowerCase();
  return `The very same file was read on ${when} (${how}), so there may be nothing new in it.`;
}

function Intro({ site, may, preferences }) {
  return h(
    Box,
    { mb: "4", minHeight: "3em" },
    h(
      Text,
      { color: "fg.muted", maxWidth: "60rem" },
      "Bring a file of your own when you do not want to wait for the schedule. It is read like every other package: checked first, and held for a decision when it would remove too much.",
    ),
    h(
      Text,
      { color: "fg.muted", minHeight: "1.5em" },
      preferences?.enabled === false && [
        "The scheduled sync is off; uploads work all the same. ",
        h(
          Box,
          { key: "link", asChild: true, color: "fg.info", _hover: { textDecoration: "underline" } },
          h(Link, { to: `${HOME}/sites/${site}/preferences` }, "Preferences"),
        ),
      ],
    ),
    !may.operate && h(MayNot),
  );
}

function MayNot() {
  return h(
    Alert.Root,
    { status: "info", mt: "2" },
    h(Alert.Indicator),
    h(
      Alert.Content,
      null,
      h(Alert.Title, null, "You cannot upload"),
      h(
        Alert.Description,
        null,
        "An upload changes accounts and courses, so it takes a role that may trigger DAGs: Op or Admin. Ask somebody who has it to upload your file, or an administrator to give you that role.",
      ),
    ),
  );
}
