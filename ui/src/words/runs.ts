/** The words for runs: outcomes, starts, ends, stages, severities. */

/** The outcomes of a run, with Airflow's names of their colours. */
export const OUTCOMES: Record<string, { label: string; palette: string }> = {
  succeeded: { label: "Succeeded", palette: "success" },
  succeeded_with_errors: { label: "With errors", palette: "up_for_retry" },
  no_changes: { label: "No changes", palette: "success" },
  held: { label: "Held", palette: "deferred" },
  rejected: { label: "Rejected", palette: "failed" },
  discarded: { label: "Discarded", palette: "skipped" },
  superseded: { label: "Superseded", palette: "skipped" },
  failed: { label: "Failed", palette: "failed" },
  skipped: { label: "Skipped", palette: "skipped" },
};

/** A run whose plan was made only to be shown. */
export const PREVIEW_RUN = { label: "Preview", palette: "none" };

/** A run that has not ended. */
export const RUNNING = { label: "Running", palette: "running" };

/** What started a run. */
export const TRIGGERS = {
  schedule: "Scheduled",
  upload: "Manual upload",
  command: "Command line",
};

const NEXT = "What to do next";

/** What to do after a run that was not applied, by its outcome. */
export const ENDS: Record<string, { title: string; next: string; tone: string }> = {
  failed: {
    title: NEXT,
    next: "Fix the cause above, then try again. The log has the details.",
    tone: "error",
  },
  rejected: {
    title: NEXT,
    next: "Fix the export, then sync it again. The findings say where, row by row.",
    tone: "error",
  },
  superseded: {
    title: "The plan was superseded",
    next: "It was not applied: the roster changed after it was made, or a newer plan replaced it. The newest run has the current plan.",
    tone: "warning",
  },
  discarded: {
    title: "The plan was discarded",
    next: "Nothing was changed. The next run makes a new plan.",
    tone: "gray",
  },
  skipped: {
    title: "The run was skipped",
    next: "Nothing was read and nothing was changed.",
    tone: "gray",
  },
};

/** The states of a stage, by Airflow's names of them. */
export const STAGE_STATES: Record<string, string> = {
  success: "done",
  running: "running",
  failed: "failed",
  skipped: "skipped",
  queued: "queued",
  scheduled: "queued",
  up_for_retry: "will be retried",
  restarting: "restarting",
  upstream_failed: "not started",
  awaiting_input: "waits for a decision",
};

/** A stage that has no state yet. */
export const NOT_STARTED = "not started";

/** What a list of findings can be narrowed to. */
export const SEVERITIES = [
  { value: "", label: "Errors and warnings" },
  { value: "error", label: "Errors" },
  { value: "warning", label: "Warnings" },
];

/** What a log can be narrowed to. */
export const LEVELS = [
  { value: "0", label: "All levels" },
  { value: "2", label: "Warnings and errors" },
  { value: "3", label: "Errors only" },
];

/** What of a run can be undone; one record is named beside it. */
export const UNDO_PARTS = [
  { value: "", label: "Everything" },
  { value: "user", label: "Users and their course assignments" },
  { value: "course", label: "Courses and their course assignments" },
  { value: "assignment", label: "Course assignments" },
  { value: "record", label: "One user or one course" },
];
