/** What one can do about a run that failed or was rejected, the most useful first. */

import type { RunDetail } from "../../lib/openapi";
import { HOME, type May } from "../../lib/ui";

/** A next step: a link, or something that is done here. */
export interface Step {
  label: string;
  /** Where it leads; null for what is done here. */
  to: string | null;
}

const TROUBLED = new Set(["failed", "rejected"]);

/** The label of the step that starts a sync from the site's own source. */
export const RETRY = "Retry now";

/** Return the next steps of a run; none where it ended otherwise. */
export function stepsOf(run: RunDetail, may: May): Step[] {
  if (!TROUBLED.has(run.outcome ?? "") || may.archivedAt) {
    return [];
  }
  const site = `${HOME}/sites/${run.site}`;
  const page = `${HOME}/runs/${run.run_id}`;
  const isOfSource = run.trigger === "schedule" && !run.undoes && !run.removals_of;
  const steps: (Step | false)[] = [
    run.has.issues > 0 && { label: "See findings", to: `${page}?tab=findings` },
    isOfSource && may.operate && { label: RETRY, to: null },
    isOfSource &&
      run.outcome === "failed" && {
        label: "Open source settings",
        to: `${site}/preferences?section=source`,
      },
    run.trigger !== "schedule" &&
      may.operate && { label: "Upload again", to: `${site}/upload?kind=${run.kind}` },
    may.details && run.has.log && { label: "Open the log", to: `${page}?tab=log` },
  ];
  return steps.filter((step) => step !== false);
}
