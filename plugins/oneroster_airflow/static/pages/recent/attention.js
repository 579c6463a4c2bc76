/** What somebody should look at before anything else. */

import { HOME, h } from "../../lib/ui.js";
import { counted, utc } from "../../lib/words.js";

const { Alert, Box, Link: Anchor } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

/** From so many errors on, it is rarely single rows that are wrong. */
export const MANY = 20;

const READ_ROWS = new Set(["succeeded", "succeeded_with_errors", "no_changes", "held"]);

/**
 * Point to a plan that waits for a decision, to many errors in the newest run, to packages that stay
 * away, and to deltas that were lost.
 *
 * @param {object} props
 * @param {object[]} props.runs The newest runs, unfiltered.
 * @param {object|null} props.freshness How new the newest package is, where that is known.
 */
export function Attention({ runs, freshness }) {
  const held = runs.find(({ outcome }) => outcome === "held");
  const newest = runs.find(({ outcome }) => outcome !== null);
  const errors = newest && READ_ROWS.has(newest.outcome) ? errorsOf(newest) : 0;
  const isStale = runs.length > 0 && freshness?.is_stale === true;
  const lost = freshness?.out_of_step ?? [];
  if (!held && errors < MANY && !isStale && lost.length === 0) {
    return null;
  }
  return h(
    Box,
    { display: "flex", flexDirection: "column", gap: "2", mb: "4" },
    held &&
      h(
        Notice,
        { run: held, title: "A plan waits for a decision", link: "Look at the plan" },
        `The run of ${moment(held)} is held: nothing of it is applied until an administrator approves it. `,
      ),
    errors >= MANY &&
      newest !== held &&
      h(
        Notice,
        { run: newest, query: "?tab=findings", title: `The newest run met ${counted(errors, "error")}`, link: "Look at what it found" },
        "So many usually mean a changed format, changed ids or a missing column, not single bad rows. Mend the export before the next run. ",
      ),
    isStale && h(Stale, { freshness }),
    lost.map((file) => h(OutOfStep, { key: file.file, lost: file })),
  );
}

/** No new package for longer than the site says. */
function Stale({ freshness: { run_id: id, days, sentence } }) {
  const title = `No new package for ${counted(days, "day")}`;
  const told = `${sentence} Ask the SIS team whether the export still runs. `;
  return h(Notice, { run: id && { run_id: id }, title, link: "Look at the run that read it" }, told);
}

/** Deltas of a file were lost, so that the roster may lack what they said. */
function OutOfStep({ lost: { file, since, cause } }) {
  const title = `Out of step with ${file}: ask the SIS for a bulk file`;
  const day = since.slice(0, 10);
  const told = `Deltas of it were lost on ${day}: ${cause}. What deltas of ${file} would remove is held until a bulk ${file} is applied.`;
  return h(Notice, { title }, told);
}

function Notice({ run, query = "", title, link, children }) {
  return h(
    Alert.Root,
    { status: "warning" },
    h(Alert.Indicator),
    h(
      Alert.Content,
      null,
      h(Alert.Title, null, title),
      h(
        Alert.Description,
        null,
        children,
        run &&
          h(
            Anchor,
            { asChild: true, color: "inherit", textDecoration: "underline", fontWeight: "bold" },
            h(Link, { to: `${HOME}/runs/${run.run_id}${query}` }, link),
          ),
      ),
    ),
  );
}

function errorsOf({ counts }) {
  return Object.values(counts ?? {}).reduce((sum, { errors = 0 }) => sum + errors, 0);
}

function moment({ started_at: at }) {
  return utc(at, { seconds: false });
}
