/** The story of one run: how it stands, what it waits for, and the tabs that tell the rest. */

import { HOME, Outcome, Stages, Time, h } from "../../lib/ui.js";
import { Accounts } from "./accounts.js";
import { Changes } from "./changes.js";
import { RunFindings } from "./findings.js";
import { Hold } from "./hold.js";
import { Log } from "./log.js";
import { Announcement, Notice } from "./notice.js";
import { Overview, addressOf } from "./overview.js";
import { LeftOut, Origin } from "./relations.js";
import { Report } from "./report.js";
import { RunTabs } from "./tabs.js";
import { Trouble } from "./trouble.js";
import { UndoRun } from "./undo.js";
import { durationOf, isUnderWay } from "./watch.js";

const { Box, Button, Flex, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useState } = globalThis.React;

/**
 * Show a run that has been recorded.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {object} props.may
 * @param {function(): void} props.reload
 * @param {*} [props.extra] A further button beside those of the run.
 * @param {boolean} [props.inAirflow] Whether this is shown on Airflow's own page of the DAG run.
 */
export function Story({ run, may, reload, extra = null, inAirflow = false }) {
  const [notice, setNotice] = useState(null);
  const underWay = isUnderWay(run);
  const onDecided = (told) => {
    setNotice(told);
    reload();
  };
  return h(
    Box,
    null,
    h(Head, { run, underWay, extra, inAirflow }),
    h(Announcement, { run }),
    h(Notice, { notice: isPast(notice, run) ? null : notice, close: () => setNotice(null) }),
    run.dag_run && !inAirflow && h(Box, { mb: "4" }, h(Stages, { dagRun: run.dag_run })),
    run.outcome === "held" && !run.decision && h(Hold, { run, may, onDecided }),
    h(Trouble, { run }),
    h(LeftOut, { run }),
    h(RunTabs, {
      tabs: [
        { value: "overview", label: "Overview", body: h(Overview, { run }) },
        {
          value: "changes",
          label: "Changes",
          count: run.has.changes,
          hidden: !may.details,
          body: h(Changes, { key: `${run.has.changes} ${run.applied_at}`, run }),
        },
        {
          value: "findings",
          label: "Findings",
          count: run.findings ? run.findings.errors + run.findings.warnings : null,
          body: h(RunFindings, { key: JSON.stringify([run.findings, run.outcome]), run, may }),
        },
        {
          value: "report",
          label: "Report",
          body: h(Report, { key: String(run.has.report), run }),
        },
        {
          value: "accounts",
          label: "Accounts",
          hidden: !may.details || !run.has.accounts,
          body: h(Accounts, { run, may }),
        },
        {
          value: "log",
          label: "Log",
          hidden: !may.details,
          body: h(Log, { run, underWay }),
        },
      ],
    }),
  );
}

/** That a plan is being applied is no news any more once it has been. */
function isPast(notice, run) {
  return Boolean(notice?.isPassing) && run.applied_at !== null;
}

function Head({ run, underWay, extra, inAirflow }) {
  const stats = [
    ["Started", h(Time, { at: run.started_at })],
    ["Duration", durationOf(run, underWay)],
    ["Type", run.type],
    ["Asked by", run.requested_by],
    ["Credited to", run.credited_admin ?? "–"],
  ];
  return h(
    Box,
    { borderWidth: "1px", borderColor: "border.emphasized", borderRadius: "8px", p: "3", mb: "4" },
    h(
      Flex,
      { gap: "3", justify: "space-between", align: "flex-start", wrap: "wrap" },
      h(
        Flex,
        { gap: "3", align: "center", flex: "1 1 20rem", minWidth: 0, wrap: "wrap" },
        h(Outcome, { outcome: run.outcome }),
        h(
          Box,
          { flex: "1 1 16rem", minWidth: 0 },
          h(Text, { fontSize: "md" }, run.sentence),
          h(Origin, { run }),
        ),
      ),
      h(
        Flex,
        { gap: "2", wrap: "wrap" },
        run.can.undo && h(UndoRun, { run }),
        run.dag_run &&
          !inAirflow &&
          h(
            Button,
            { asChild: true, size: "sm", variant: "outline" },
            h(Link, { to: addressOf(run.dag_run) }, "DAG run"),
          ),
        extra,
      ),
    ),
    h(
      Flex,
      { as: "dl", wrap: "wrap", columnGap: "8", rowGap: "2", mt: "3" },
      stats.map(([label, value]) =>
        h(
          Box,
          { key: label, minWidth: 0 },
          h(Text, { as: "dt", color: "fg.muted", fontSize: "xs", fontWeight: "bold" }, label),
          h(Text, { as: "dd", fontSize: "sm", m: "0", overflowWrap: "anywhere" }, value),
        ),
      ),
    ),
  );
}
