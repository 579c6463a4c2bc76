/** How a run stands: whether it moves, how long it takes, what it does right now. */

import { useApi } from "../../lib/api.js";

const { useEffect, useState } = globalThis.React;

const MOVING_MS = 1000;
const WAITING_MS = 5000;
const REMOVALS_FOLLOW_MS = 120000;
const DONE = new Set(["success", "failed"]);

/**
 * Tell whether a run still moves.
 *
 * A held run stands still until somebody decides; approved, it is under way until its outcome is
 * another one.
 *
 * @param {object} run
 * @returns {boolean}
 */
export function isUnderWay(run) {
  if (run.outcome === null) {
    return true;
  }
  if (run.outcome === "held") {
    return run.decision?.decision === "approved";
  }
  return run.dag_run !== null && !DONE.has(run.dag_run.state);
}

/**
 * Say how long a run took, or takes so far.
 *
 * @param {object} run
 * @param {boolean} underWay
 * @returns {string}
 */
export function durationOf(run, underWay) {
  const end = run.ended_at ? Date.parse(run.ended_at) : Date.now();
  if (!run.ended_at && !underWay) {
    return "–";
  }
  const seconds = Math.max(0, (end - Date.parse(run.started_at)) / 1000);
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.round(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${Math.round(seconds % 60)} s`;
  }
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Say in a few words what a DAG run does right now.
 *
 * @param {object|null} dagRun
 * @returns {string}
 */
export function doing(dagRun) {
  if (!dagRun) {
    return "";
  }
  if (dagRun.state === "queued") {
    return "It waits its turn.";
  }
  const now = dagRun.stages.find(({ state }) => state !== null && !ENDED.has(state));
  if (!now) {
    return "";
  }
  const words = MOVING[now.state] ?? now.state;
  return `Stage ${now.stage}: ${words}.`;
}

const ENDED = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);
const MOVING = {
  running: "running",
  queued: "queued",
  scheduled: "queued",
  up_for_retry: "will be tried again",
  restarting: "is being restarted",
  awaiting_input: "waits for a decision",
};

/**
 * Read a run, again each second while it moves, and now and then while somebody may decide about it.
 *
 * @param {string|null} id Null reads nothing.
 * @returns {{run: object|null, problem: Error|null, reload: function(): void}}
 */
export function useRun(id) {
  const [every, setEvery] = useState(null);
  const path = id === null ? null : `runs/${encodeURIComponent(id)}`;
  const { data, problem, reload } = useApi(path, { every });
  const pace = data && paceOf(data);
  useEffect(() => {
    setEvery(pace);
  }, [pace]);
  return { run: data, problem, reload };
}

/** Return after how many milliseconds a run has to be asked about again; null when it has ended. */
function paceOf(run) {
  if (isUnderWay(run)) {
    return MOVING_MS;
  }
  return run.outcome === "held" || awaitsRemovals(run) ? WAITING_MS : null;
}

/** Tell whether the run that brings the removals of this one must be about to begin. */
function awaitsRemovals({ withheld, applied_at: applied, removals_run: found }) {
  const isOpen = withheld?.why === "removals_wait" && applied !== null && found === null;
  return isOpen && Math.abs(Date.now() - Date.parse(applied)) < REMOVALS_FOLLOW_MS;
}
