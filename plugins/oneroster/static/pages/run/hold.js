/** The panel of a held run: why it waits, and the decision. */

import { post } from "../../lib/api.js";
import { h } from "../../lib/ui.js";
import { Ask } from "./ask.js";
import { Counts, Hash } from "./overview.js";
import { Rows } from "./rows.js";

const { Box, Button, Flex, Grid, Heading, Text } = globalThis.ChakraUI;
const { useState } = globalThis.React;

const REASONS = {
  "guard.removals": ({ found, of, kind }) =>
    kind === "users"
      ? `${number(found)} of ${number(of)} managed users would be deactivated.`
      : `${number(found)} of ${number(of)} managed ${nameOf(kind)} would be removed.`,
  "guard.error_rate": ({ found, of, kind }) =>
    `${number(found)} of ${number(of)} rows of ${kind} have errors.`,
  "guard.empty_file": ({ kind }) =>
    `${kind} has no rows: everything of its kind would be removed.`,
  "guard.identity_shift": ({ found, of }) =>
    `${number(found)} of ${number(of)} users would leave while new ones come with the same e-mail addresses.`,
  "guard.wrong_source": ({ found, of, kind }) =>
    `Only ${number(found)} of the ${number(of)} known ${nameOf(kind)} are in the package.`,
};

const ADVICE = {
  "guard.removals": "Is the export complete, and are these people and courses really gone?",
  "guard.error_rate": "The tab Findings tells what to mend in the SIS.",
  "guard.empty_file": "An export that was cut off looks like this. Export the file again.",
  "guard.identity_shift": "Ask the SIS team whether the sourcedIds changed.",
  "guard.wrong_source": "Check that the package is of this district and of this year.",
};

/**
 * Say what a guard found, in one sentence.
 *
 * @param {object} hold
 * @returns {string}
 */
export function holdInWords(hold) {
  return REASONS[hold.code]?.(hold) ?? hold.text;
}

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
      "Nothing has been changed. The plan is beyond the limits in the site's preferences:",
    ),
    h(Holds, { holds: run.holds, reasons: run.reasons }),
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
    rowKey: ({ code, kind }) => `${code} ${kind}`,
    columns: [
      { key: "why", label: "Why", cell: (hold) => h(Why, { hold }) },
      {
        key: "found",
        label: "Found",
        width: "10rem",
        cell: ({ found, of }) => `${number(found)} of ${number(of)}`,
      },
      {
        key: "share",
        label: "Share",
        width: "7rem",
        cell: ({ found, of }) => (of ? `${((100 * found) / of).toFixed(1)} %` : "–"),
      },
      { key: "limit", label: "The site allows", width: "16rem", cell: ({ limit }) => limit },
    ],
  });
}

function Why({ hold }) {
  return h(
    Box,
    null,
    h(Text, { fontWeight: "semibold" }, holdInWords(hold)),
    h(Text, { color: "fg.muted", fontSize: "sm" }, ADVICE[hold.code]),
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

function number(value) {
  return value.toLocaleString("en");
}

function nameOf(kind) {
  return kind === "assignments" ? "course assignments" : kind;
}
