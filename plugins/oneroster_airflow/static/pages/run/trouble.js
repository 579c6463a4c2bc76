/** What a run that changed nothing says about itself: why, and what to do next. */

import { h } from "../../lib/ui.js";
import { Decision } from "./overview.js";
import { holdInWords } from "./reasons.js";

const { Box, Heading, Text } = globalThis.ChakraUI;

const ENDS = {
  failed: {
    title: "The run failed",
    next: "The tab Log tells what happened. When the cause is mended, clear the failed task on the DAG run's page: it goes on from there. Or upload the package again.",
    tone: "error",
  },
  rejected: {
    title: "The package was rejected",
    next: "Nothing was changed. The tab Findings tells the SIS team what to mend. Then upload the package again, or wait for the next scheduled run.",
    tone: "error",
  },
  superseded: {
    title: "The plan was superseded",
    next: "Nothing of it was applied: the roster changed after it was made, or a newer plan took its place. The newest run makes a plan from how things stand now.",
    tone: "warning",
  },
  discarded: {
    title: "The plan was discarded",
    next: "Nothing was changed. The next run makes a plan of its own.",
    tone: "gray",
  },
  skipped: {
    title: "The run was skipped",
    next: "Nothing was read and nothing was changed.",
    tone: "gray",
  },
};

/**
 * Show the reasons of a run that did not end well; nothing for the others.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Trouble({ run }) {
  const end = ENDS[run.outcome];
  if (!end) {
    return null;
  }
  const told = run.holds.length > 0 ? run.holds.map(holdInWords) : notSaid(run);
  return h(
    Box,
    {
      as: "section",
      "aria-labelledby": "trouble",
      borderWidth: "1px",
      borderColor: `${end.tone}.emphasized`,
      borderInlineStartWidth: "4px",
      borderInlineStartColor: `${end.tone}.solid`,
      borderRadius: "md",
      p: "4",
      mb: "4",
    },
    h(Heading, { as: "h2", size: "md", id: "trouble", mb: "1" }, end.title),
    run.decision && h(Text, { fontSize: "sm", mb: "1" }, h(Decision, { decision: run.decision })),
    told.length > 0 &&
      h(
        Box,
        { as: "ul", fontSize: "sm", ps: "5", mb: "1", listStyleType: "disc", overflowWrap: "anywhere" },
        told.map((reason, index) => h("li", { key: index }, reason)),
      ),
    h(Text, { color: "fg.muted", fontSize: "sm" }, end.next),
  );
}

/** The reasons that the sentence at the top of the page has not told already. */
function notSaid({ reasons, sentence }) {
  return reasons.filter((reason) => !sentence.includes(reason.replace(/\.$/, "")));
}
