/** The tab Findings: what has to be mended, grouped so that it can be mended once. */

import { url, useApi } from "../../lib/api.js";
import { Empty, Failure, Loading, h } from "../../lib/ui.js";
import { Cause, FindingRows } from "./cause.js";
import { usePages, useSettled } from "./paging.js";
import { Choice, More, SearchBox, Toolbar } from "./toolbar.js";

const { Box, Button, Stack, Text } = globalThis.ChakraUI;
const { useState } = globalThis.React;

const SEVERITIES = [
  { value: "", label: "Errors and warnings" },
  { value: "error", label: "Errors" },
  { value: "warning", label: "Warnings" },
];

/**
 * Show the causes of a run's findings, and the rows of each to those who may see them.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {object} props.may
 */
export function RunFindings({ run, may }) {
  const { data, problem, reload } = useApi(`runs/${run.run_id}/causes`);
  const [words, setWords] = useState("");
  const [severity, setSeverity] = useState("");
  const q = useSettled(words.trim());
  if (!data) {
    return problem
      ? h(Failure, { problem, retry: reload })
      : h(Loading, { height: "24rem" });
  }
  if (data.causes.length === 0) {
    return h(NoFindings, { run });
  }
  const causes = data.causes.filter((cause) => !severity || cause.severity === severity);
  return h(
    Box,
    null,
    h(
      Toolbar,
      null,
      may.details &&
        h(SearchBox, { label: "Search sourcedId, file, column or code", value: words, onChange: setWords }),
      h(Choice, { label: "Severity", value: severity, onChange: setSeverity, choices: SEVERITIES }),
      h(Box, { flex: "1" }),
      may.details &&
        h(
          Button,
          { asChild: true, variant: "outline", size: "sm" },
          h(
            "a",
            { href: url(`runs/${run.run_id}/findings.csv`), download: `findings-${run.run_id}.csv` },
            "Download CSV for the SIS team",
          ),
        ),
    ),
    !may.details &&
      h(
        Text,
        { color: "fg.muted", fontSize: "sm", mb: "3" },
        "Your role sees what is wrong and how often. Operators and administrators also see which rows.",
      ),
    q && may.details
      ? h(Found, { run, severity, q })
      : h(Causes, { run, causes, all: data.causes, may }),
  );
}

function Causes({ run, causes, all, may }) {
  if (causes.length === 0) {
    return h(Empty, { title: "No cause of this severity" }, "Show errors and warnings to see all.");
  }
  const most = Math.max(1, ...all.map((cause) => cause.affected));
  return h(
    Stack,
    { as: "ul", gap: "3", listStyleType: "none", "aria-label": "Causes, what to mend first" },
    causes.map((cause) =>
      h(Cause, { key: cause.number, cause, most, runId: run.run_id, opens: may.details }),
    ),
  );
}

/** The rows that fit a search, whatever their cause. */
function Found({ run, severity, q }) {
  const list = usePages(`runs/${run.run_id}/findings`, { severity, q, limit: 50 }, "findings");
  if (list.rows === null) {
    return list.problem
      ? h(Failure, { problem: list.problem, retry: list.reload })
      : h(Loading, { height: "16rem" });
  }
  if (list.rows.length === 0 && !list.loading) {
    return h(Empty, { title: "No row fits" }, "Search for another sourcedId, file, column or code.");
  }
  return h(
    Box,
    null,
    h(FindingRows, { list, caption: "Findings that fit the search", withCause: true }),
    h(More, { list, what: "findings" }),
  );
}

const ENDED_EARLY = new Set(["failed", "skipped"]);

function NoFindings({ run }) {
  if (run.outcome === null) {
    return h(
      Empty,
      { title: "Nothing was found so far" },
      "Findings appear here as soon as a stage has them.",
    );
  }
  if (ENDED_EARLY.has(run.outcome)) {
    return h(Empty, { title: "Nothing was found" }, "The run ended early; the overview says why.");
  }
  return h(
    Empty,
    { title: "Nothing to mend" },
    run.undoes
      ? "An undo reads no file."
      : "Every row that was read could be used as it is.",
  );
}
