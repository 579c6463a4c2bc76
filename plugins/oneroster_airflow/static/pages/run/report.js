/** The tab Report: what Great Expectations said of each file. */

import { useApi } from "../../lib/api.js";
import { Empty, Failure, Loading, h } from "../../lib/ui.js";
import { Rows } from "./rows.js";

const { Badge, Box, Button, Code, Flex, Heading, Stack, Text } = globalThis.ChakraUI;
const { useId, useState } = globalThis.React;

const SEVERITIES = { critical: "error", warning: "warning", info: "gray" };

/**
 * Show the report of a run.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Report({ run }) {
  if (!run.has.report) {
    return h(NoReport, { run });
  }
  return h(Suites, { run });
}

function Suites({ run }) {
  const { data, problem, reload } = useApi(`runs/${run.run_id}/report`);
  if (!data) {
    return problem
      ? h(Failure, { problem, retry: reload })
      : h(Loading, { height: "24rem" });
  }
  const passed = data.suites.filter(({ success }) => success).length;
  return h(
    Box,
    null,
    h(
      Flex,
      { justify: "space-between", align: "center", wrap: "wrap", gap: "2", mb: "3" },
      h(
        Text,
        { color: "fg.muted", fontSize: "sm" },
        `${passed} of ${data.suites.length} files meet every expectation. A row that meets them is used; one that does not is left exactly as it is.`,
      ),
      data.docs &&
        h(
          Button,
          { asChild: true, variant: "outline", size: "sm" },
          h(
            "a",
            { href: new URL(data.docs, document.baseURI).href, download: "" },
            "Download Great Expectations' Data Docs",
          ),
        ),
    ),
    h(Stack, { gap: "4" }, failedFirst(data.suites).map((suite) => h(Suite, { key: suite.file, suite }))),
  );
}

function failedFirst(suites) {
  return [...suites].sort((a, b) => Number(a.success) - Number(b.success));
}

function Suite({ suite }) {
  const failed = suite.expectations.filter(({ success }) => !success);
  const passed = suite.expectations.filter(({ success }) => success);
  const [isOpen, setIsOpen] = useState(false);
  const id = useId();
  return h(
    Box,
    {
      as: "section",
      "aria-labelledby": id,
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "md",
      p: "3",
    },
    h(
      Flex,
      { gap: "3", align: "center", wrap: "wrap", mb: failed.length > 0 ? "3" : "0" },
      h(Heading, { as: "h2", size: "md", id }, suite.file),
      h(Verdict, { success: suite.success }),
      h(
        Text,
        { color: "fg.muted", fontSize: "sm" },
        `OneRoster ${suite.version} · ${suite.rows.toLocaleString("en")} rows · ${passed.length} of ${suite.expectations.length} expectations met`,
      ),
      h(Box, { flex: "1" }),
      passed.length > 0 &&
        h(
          Button,
          {
            size: "xs",
            variant: "ghost",
            "aria-expanded": isOpen,
            "aria-controls": `${id}-passed`,
            onClick: () => setIsOpen(!isOpen),
          },
          h(Box, { as: "span", "aria-hidden": true }, isOpen ? "▾" : "▸"),
          isOpen ? "Hide those met" : `Show the ${passed.length} met`,
        ),
    ),
    failed.length > 0 &&
      h(Expectations, { caption: `Expectations that ${suite.file} does not meet`, rows: failed }),
    h(
      Box,
      { id: `${id}-passed`, hidden: !isOpen, mt: "2" },
      isOpen && h(Expectations, { caption: `Expectations that ${suite.file} meets`, rows: passed }),
    ),
  );
}

function Verdict({ success }) {
  return h(
    Badge,
    { colorPalette: success ? "success" : "failed", variant: "subtle" },
    h(Box, { as: "span", "aria-hidden": true }, success ? "✓" : "✕"),
    success ? "Met" : "Not met",
  );
}

function Expectations({ caption, rows }) {
  return h(Rows, {
    caption,
    rows,
    rowKey: (_row, index) => index,
    columns: [
      {
        key: "title",
        label: "Expectation",
        cell: ({ title, expectation }) =>
          h(Text, { as: "span", title: expectation }, title),
      },
      { key: "column", label: "Column", width: "18%", cell: ({ column }) => column ?? "–" },
      { key: "severity", label: "Severity", width: "8rem", cell: (row) => h(Weight, { row }) },
      { key: "unexpected", label: "Rows that differ", width: "13rem", cell: (row) => h(Numbers, { row }) },
      {
        key: "code",
        label: "Code",
        width: "16rem",
        cell: ({ code }) => (code ? h(Code, { size: "sm", variant: "surface" }, code) : "–"),
      },
    ],
  });
}

function Weight({ row: { severity, success } }) {
  const colorPalette = success ? "gray" : SEVERITIES[severity] ?? "gray";
  return h(Badge, { colorPalette, variant: "subtle" }, severity);
}

function Numbers({ row: { unexpected, checked } }) {
  const share = checked && unexpected ? ` (${((100 * unexpected) / checked).toFixed(1)} %)` : "";
  return `${(unexpected ?? 0).toLocaleString("en")} of ${(checked ?? 0).toLocaleString("en")}${share}`;
}

function NoReport({ run }) {
  if (run.outcome === null) {
    return h(Empty, { title: "The report is not there yet" }, "It is written when the stage validate has judged every file.");
  }
  return h(
    Empty,
    { title: "Nothing was validated" },
    "The run ended before its files were judged, or it is an undo, which reads no file. The overview says why.",
  );
}
