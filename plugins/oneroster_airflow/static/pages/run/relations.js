/** How a run stands to others: what it takes back, what it left for a decision, what it brings. */

import { useApi } from "../../lib/api.js";
import { HOME, Outcome, h } from "../../lib/ui.js";
import { counted } from "../../lib/words.js";
import { RunLink } from "./overview.js";

const { Box, Button, Flex, Heading, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;

const KINDS = { user: "users", course: "courses", assignment: "course assignments" };
const NOUNS = { users: "user", courses: "course", assignments: "course assignment" };
const WORDS = { rekeyed: "given another sourcedId" };

/**
 * Say of which other run this one is; nothing for a run of its own.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Origin({ run }) {
  if (run.undoes) {
    return h(Line, null, "Takes back ", h(RunLink, { id: run.undoes }), `: ${partInWords(run.undo_of)}.`);
  }
  if (run.removals_of) {
    return h(
      Line,
      null,
      "Brings the removals that ",
      h(RunLink, { id: run.removals_of }),
      " left for a decision. The rest of that plan has been applied.",
    );
  }
  return null;
}

function Line({ children }) {
  return h(Text, { fontSize: "sm", color: "fg.muted", mt: "2" }, children);
}

/** Return which part of a run is taken back. */
function partInWords(part) {
  const { kind, sourced_id: id, changed_too: too } = part ?? {};
  const also = too ? ", also what changed again since" : "";
  if (id) {
    return `only ${kind ? `the ${KINDS[kind]} of ${id}` : `${id} with its course assignments`}${also}`;
  }
  return `${kind ? `only its ${KINDS[kind]}` : "all of it"}${also}`;
}

/**
 * Say what a plan leaves out, why, and what becomes of it; nothing when it leaves out nothing.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function LeftOut({ run }) {
  if (!run.withheld) {
    return null;
  }
  return run.withheld.why === "removals_wait" ? h(Removals, { run }) : h(Rest, { left: run.withheld });
}

/** What a sync that only adds leaves out. */
function Rest({ left }) {
  return h(
    Part,
    { title: `Left out until ${left.until}`, tone: "info" },
    h(Text, null, `Syncs only add until that day. Left out: ${numbersOf(left)}.`),
    h(
      Text,
      { color: "fg.muted" },
      "The first run after that day does it, as far as the package still asks for it.",
    ),
  );
}

/** The removals of a plan, which wait in a run of their own. */
function Removals({ run }) {
  const { data: found } = useApi(run.removals_run && `runs/${run.removals_run}`);
  const isDecided = found && found.outcome !== null && (found.outcome !== "held" || found.decision);
  return h(
    Part,
    { title: isDecided ? "Its removals were a run of their own" : "Its removals wait for a decision", tone: "warning" },
    h(Text, null, `Left out of this plan: ${numbersOf(run.withheld)}.`),
    h(Text, { color: "fg.muted" }, run.removals_run ? ALONE : soon(run)),
    run.removals_run &&
      h(
        Flex,
        { gap: "3", align: "center", wrap: "wrap", mt: "3", minHeight: "8" },
        h(
          Button,
          { asChild: true, size: "sm", variant: "outline" },
          h(Link, { to: `${HOME}/runs/${run.removals_run}` }, "Look at the removals"),
        ),
        found && h(Outcome, { outcome: found.outcome }),
        found && h(Text, { flex: "1 1 16rem", minWidth: 0 }, found.sentence),
      ),
  );
}

function Part({ title, tone, children }) {
  return h(
    Box,
    {
      as: "section",
      "aria-labelledby": "left-out",
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderInlineStartWidth: "4px",
      borderInlineStartColor: `${tone}.solid`,
      borderRadius: "md",
      fontSize: "sm",
      p: "4",
      mb: "4",
    },
    h(Heading, { as: "h2", size: "md", id: "left-out", mb: "1" }, title),
    children,
  );
}

const ALONE = "They are beyond the limits in the site's preferences. The rest of the plan did not wait for them.";

function soon({ applied_at: applied, outcome }) {
  if (outcome === null || applied) {
    return "They are beyond the limits in the site's preferences, and get a run of their own as soon as this one has ended.";
  }
  return "This plan was not applied, so they are not brought either. The next run makes a plan of its own.";
}

function numbersOf(left) {
  const parts = Object.entries(NOUNS).flatMap(([kind, noun]) =>
    Object.entries(left[kind] ?? {}).map(([word, count]) => `${counted(count, noun)} ${WORDS[word] ?? word}`),
  );
  return parts.join(", ");
}
