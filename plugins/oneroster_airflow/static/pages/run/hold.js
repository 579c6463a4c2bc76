/** The panel of a held run: why it waits, and the decision. */

import { post } from "../../lib/api.js";
import { Time, h } from "../../lib/ui.js";
import { inTime, number } from "../../lib/words.js";
import { Ask } from "./ask.js";
import { Counts, Hash, addressOf } from "./overview.js";
import { adviceOn, holdInWords } from "./reasons.js";
import { Rows } from "./rows.js";
import { Schools } from "./schools.js";

const { Box, Button, Flex, Grid, Heading, Link: Anchor, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useState } = globalThis.React;

/** The task that asks for the decision in Airflow. */
const QUESTION = "review_decision";

/**
 * Show why a run waits for a person, and let an administrator decide.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {object} props.may
 * @param {function(object): void} props.onDecided Gets what happened: `text`, and whether it `isBad` or
 *   `isPassing`, true only until the plan has been applied.
 */
export function Hold({ run, may, onDecided }) {
  const [asked, setAsked] = useState(null);
  const close = () => setAsked(null);
  return h(
    Box,
    {
      as: "section",
      "aria-labelledby": "hold",
      borderWidth: "1px",
      borderColor: "warning.emphasized",
      borderInlineStartWidth: "4px",
      borderInlineStartColor: "warning.solid",
      borderRadius: "md",
      p: "4",
      mb: "4",
    },
    h(Heading, { as: "h2", size: "md", id: "hold" }, "This plan waits for a person"),
    h(
      Text,
      { mb: "3", fontSize: "sm", color: "fg.muted" },
      "Nothing has been changed. Somebody has to look at this plan before it is applied. Why:",
    ),
    h(Holds, { holds: run.holds, reasons: run.reasons }),
    h(Schools, { schools: run.schools }),
    h(
      Grid,
      { templateColumns: { base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }, gap: "4", mt: "4" },
      h(
        Meaning,
        { title: "Approve" },
        "Applies exactly this plan, all of it or nothing. If the roster has changed since the plan was made, nothing is applied and the run is marked superseded.",
      ),
      h(
        Meaning,
        { title: "Discard" },
        "Applies nothing. The roster stays as it is, and the next run makes a plan of its own.",
      ),
    ),
    h(
      Flex,
      { mt: "4", gap: "2", wrap: "wrap", align: "center" },
      run.can.approve &&
        h(Button, { colorPalette: "brand", size: "sm", onClick: () => setAsked("approve") }, "Approve…"),
      run.can.discard &&
        h(Button, { variant: "outline", size: "sm", onClick: () => setAsked("discard") }, "Discard…"),
      !run.can.approve && !run.can.discard && h(WhoDecides, { may }),
    ),
    h(Until, { run, may }),
    h(Approve, { run, open: asked === "approve", close, onDecided }),
    h(Discard, { run, open: asked === "discard", close, onDecided }),
  );
}

function Holds({ holds, reasons }) {
  if (holds.length === 0) {
    return h(
      Box,
      { as: "ul", ps: "5" },
      reasons.map((reason) => h("li", { key: reason }, reason)),
    );
  }
  return h(Rows, {
    caption: "Why the plan waits",
    rows: holds,
    rowKey: ({ code, kind, school }) => `${code} ${kind} ${school}`,
    columns: [
      { key: "why", label: "Why", cell: (hold) => h(Why, { hold }) },
      {
        key: "found",
        label: "Found",
        width: "10rem",
        cell: (hold) => (isOfNumbers(hold) ? `${number(hold.found)} of ${number(hold.of)}` : "–"),
      },
      {
        key: "share",
        label: "Share",
        width: "7rem",
        cell: (hold) => (isOfNumbers(hold) && hold.of ? `${((100 * hold.found) / hold.of).toFixed(1)} %` : "–"),
      },
      { key: "limit", label: "The site allows", width: "16rem", cell: ({ limit }) => limit },
    ],
  });
}

/** A package of another year is so as a whole. */
function isOfNumbers({ code }) {
  return code !== "guard.other_year";
}

function Why({ hold }) {
  return h(
    Box,
    null,
    h(Text, { fontWeight: "semibold" }, holdInWords(hold)),
    h(Text, { color: "fg.muted", fontSize: "sm" }, adviceOn(hold)),
  );
}

function Meaning({ title, children }) {
  return h(
    Box,
    null,
    h(Text, { fontWeight: "semibold", fontSize: "sm" }, title),
    h(Text, { fontSize: "sm", color: "fg.muted" }, children),
  );
}

function WhoDecides({ may }) {
  return h(
    Text,
    { fontSize: "sm" },
    may.administer
      ? "It can't be decided about right now. Reload this page."
      : "Administrators decide. Send one of them the address of this page.",
  );
}

/** How long it waits, and where else it can be decided. */
function Until({ run, may }) {
  const asks = run.dag_run?.stages.some(({ state }) => state === "awaiting_input");
  return h(
    Box,
    { mt: "3", fontSize: "sm", color: "fg.muted" },
    run.expires_at &&
      h(
        Text,
        null,
        "Undecided, it is discarded on ",
        h(Time, { at: run.expires_at, seconds: false }),
        `, ${inTime(run.expires_at)}.`,
      ),
    asks &&
      may.administer &&
      h(
        Text,
        null,
        "Airflow asks for the decision too: ",
        h(
          Anchor,
          { asChild: true, color: "fg.info" },
          h(Link, { to: `${addressOf(run.dag_run)}/tasks/${QUESTION}/required_actions` }, "Required Actions"),
        ),
        ".",
      ),
  );
}

function Approve({ run, open, close, onDecided }) {
  return h(
    Ask,
    {
      open,
      close,
      title: "Approve this plan?",
      verb: "Approve and apply",
      asksReason: true,
      act: async (reason) => {
        await post(`runs/${run.run_id}/approve`, { plan_hash: run.plan_hash, reason });
        onDecided({ text: "You approved the plan. It is being applied.", isPassing: true });
      },
      onConflict: (problem) => onDecided({ text: problem.detail, isBad: true }),
    },
    h(
      Text,
      { mb: "3" },
      "Exactly the plan ",
      h(Hash, { value: run.plan_hash ?? "", label: "the hash of the plan" }),
      " is applied, and nothing else:",
    ),
    run.counts && h(Counts, { counts: run.counts }),
  );
}

function Discard({ run, open, close, onDecided }) {
  return h(
    Ask,
    {
      open,
      close,
      title: "Discard this plan?",
      verb: "Discard",
      asksReason: true,
      isDanger: true,
      act: async (reason) => {
        await post(`runs/${run.run_id}/discard`, { reason });
        onDecided({ text: "You discarded the plan. Nothing was changed." });
      },
      onConflict: (problem) => onDecided({ text: problem.detail, isBad: true }),
    },
    h(Text, null, "Nothing of it is applied, and it can't be approved afterwards."),
  );
}
