/** What somebody should look at before anything else. */

import { Alert, Box, Link as Anchor } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link } from "react-router-dom";
import { inSelected } from "../../lib/time";
import type { Freshness, OutOfStep as OutOfStepFile, RunSummary } from "../../lib/openapi";
import { HOME } from "../../lib/ui";
import { counted } from "../../lib/words";

/** From so many errors on, it is rarely single rows that are wrong. */
export const MANY = 20;

const READ_ROWS = new Set(["succeeded", "succeeded_with_errors", "no_changes", "held"]);

/**
 * Point to a plan that waits for a decision, to many errors in the newest run, to packages that stay
 * away, and to deltas that were lost.
 *
 * @param props.runs The newest runs, unfiltered.
 * @param props.freshness How new the newest package is, where that is known.
 */
export function Attention({
  runs,
  freshness,
}: {
  runs: RunSummary[];
  freshness: Freshness | null;
}) {
  const held = runs.find(({ outcome }) => outcome === "held");
  const newest = runs.find(({ outcome, is_preview: isPreview }) => outcome !== null && !isPreview);
  const errors = newest?.outcome && READ_ROWS.has(newest.outcome) ? errorsOf(newest) : 0;
  const isStale = runs.length > 0 && freshness?.is_stale === true;
  const lost = freshness?.out_of_step ?? [];
  const still = freshness?.standstill.level ? freshness.standstill : null;
  if (!held && errors < MANY && !isStale && !still && lost.length === 0) {
    return null;
  }
  return (
    <Box display="flex" flexDirection="column" gap="2" mb="4">
      {still && (
        <Notice
          status={still.level}
          run={held ?? newest}
          title={still.sentence}
          link={held ? "Review the held plan" : "Open the newest sync"}
        >
          Syncs run, but none is applied: people who came or left since are not in the roster.{" "}
        </Notice>
      )}
      {held && !still && (
        <Notice
          run={held}
          title="Approval needed"
          link="Review the plan"
        >{`The sync of ${moment(held)} is held: nothing is applied until an administrator approves it. `}</Notice>
      )}
      {newest && errors >= MANY && newest !== held && (
        <Notice
          run={newest}
          query="?tab=findings"
          title={`The newest sync skipped ${counted(errors, "row")} with errors`}
          link="See the findings"
        >
          So many usually mean a changed format, changed ids or a missing column, not single bad
          rows. Fix the export before the next sync.{" "}
        </Notice>
      )}
      {isStale && <Stale freshness={freshness} />}
      {lost.map((file) => (
        <OutOfStep key={file.file} lost={file} />
      ))}
    </Box>
  );
}

/** No new package for longer than the site says. */
function Stale({ freshness: { run_id: id, days, sentence } }: { freshness: Freshness }) {
  const title = `No new export for ${counted(days, "day")}`;
  const text = `${sentence} Ask the SIS team whether the export still runs. `;
  return (
    <Notice
      run={id === null ? null : { run_id: id }}
      title={title}
      link="Open the run that read it"
    >
      {text}
    </Notice>
  );
}

/** Deltas of a file were lost, so that the roster may lack what they said. */
function OutOfStep({ lost: { file, since, cause } }: { lost: OutOfStepFile }) {
  const title = `Out of step with ${file}: ask the SIS for a bulk file`;
  const day = since.slice(0, 10);
  const text = `Deltas of it were lost on ${day}: ${cause}. What deltas of ${file} would remove is held until a bulk ${file} is applied.`;
  return <Notice title={title}>{text}</Notice>;
}

function Notice({
  status = "warning",
  run,
  query = "",
  title,
  link,
  children,
}: {
  status?: "warning" | "error" | null;
  run?: Pick<RunSummary, "run_id"> | null;
  query?: string;
  title: string;
  link?: string;
  children: ReactNode;
}) {
  return (
    <Alert.Root status={status ?? "warning"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{title}</Alert.Title>
        <Alert.Description>
          {children}
          {run && (
            <Anchor asChild color="inherit" textDecoration="underline" fontWeight="bold">
              <Link to={`${HOME}/runs/${run.run_id}${query}`}>{link}</Link>
            </Anchor>
          )}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

function errorsOf({ totals }: RunSummary): number {
  return Object.values(totals ?? {}).reduce((sum, { errors }) => sum + errors, 0);
}

function moment({ started_at: at }: RunSummary) {
  return inSelected(at);
}
