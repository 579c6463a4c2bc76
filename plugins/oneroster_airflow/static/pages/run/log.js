/** The tab Log: everything that the tasks of a run wrote, in all tries. */

import { getText, url } from "../../lib/api.js";
import { Empty, Failure, Loading, h } from "../../lib/ui.js";
import { filterLines, parseLog } from "./log_lines.js";
import { LogWindow } from "./log_window.js";
import { useSettled } from "./paging.js";
import { Choice, SearchBox, Toolbar } from "./toolbar.js";

const { Box, Button, HStack, Text } = globalThis.ChakraUI;
const { useCallback, useEffect, useMemo, useRef, useState } = globalThis.React;

const GRAVITIES = [
  { value: "0", label: "All levels" },
  { value: "2", label: "Warnings and errors" },
  { value: "3", label: "Errors only" },
];

/**
 * Show the log of a run; it grows while the run is under way.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {boolean} props.underWay
 */
export function Log({ run, underWay }) {
  return run.has.log ? h(Lines, { run, underWay }) : h(NoLog, { run });
}

function Lines({ run, underWay }) {
  const { text, problem, reload } = useLog(run.run_id, underWay);
  const [gravity, setGravity] = useState("0");
  const [words, setWords] = useState("");
  const settled = useSettled(words, 200);
  const log = useRef(null);
  const lines = useMemo(() => parseLog(text ?? ""), [text]);
  const shown = useMemo(
    () => filterLines(lines, { gravity: Number(gravity), words: settled }),
    [lines, gravity, settled],
  );
  const headings = shown.filter((line) => line.section);
  const count = shown.length - headings.length;

  if (problem?.status === 404) {
    return h(NoLog, { run });
  }
  if (problem && text === null) {
    return h(Failure, { problem, retry: reload });
  }
  if (text === null) {
    return h(Loading, { height: "24rem" });
  }
  return h(
    Box,
    null,
    h(
      Toolbar,
      null,
      h(SearchBox, { label: "Search the log", value: words, onChange: setWords }),
      h(Choice, { label: "Level", value: gravity, onChange: setGravity, choices: GRAVITIES }),
      h(Box, { flex: "1" }),
      h(
        Button,
        { asChild: true, variant: "outline", size: "sm" },
        h(
          "a",
          { href: url(`runs/${run.run_id}/log?download=true`), download: `${run.run_id}.log` },
          "Download",
        ),
      ),
    ),
    h(
      HStack,
      { as: "nav", "aria-label": "Stages in the log", wrap: "wrap", gap: "1", mb: "2" },
      h(Text, { color: "fg.muted", fontSize: "sm", mr: "1" }, "Jump to"),
      headings.map(({ number, section }) =>
        h(
          Button,
          {
            key: number,
            size: "xs",
            variant: "ghost",
            onClick: () => log.current?.jump(number),
          },
          section.attempt > 1 ? `${section.stage}, try ${section.attempt}` : section.stage,
        ),
      ),
      h(Box, { flex: "1" }),
      h(
        Text,
        { color: "fg.muted", fontSize: "sm", role: "status" },
        shown === lines
          ? `${count.toLocaleString("en")} lines`
          : `${count.toLocaleString("en")} of ${lines.length.toLocaleString("en")} lines`,
        underWay ? ", more to come" : "",
      ),
    ),
    shown.length === 0
      ? h(
          Empty,
          { title: lines.length === 0 ? "Nothing was written yet" : "No line fits" },
          lines.length === 0
            ? "Lines appear here as soon as the first stage writes them."
            : "Search for another word, or show all levels.",
        )
      : h(LogWindow, { ref: log, lines: shown, follows: underWay, label: "Log of the run" }),
  );
}

function NoLog({ run }) {
  const why = run.dag_run
    ? "Airflow keeps no log of this run any more. What the run found and changed is in the other tabs."
    : "It was started from the command line, which printed its log to the terminal. What the run found and changed is in the other tabs.";
  return h(Empty, { title: "This run has no log" }, why);
}

/** Read the log, again and again while the run is under way, and once more when it has ended. */
function useLog(runId, underWay) {
  const [state, setState] = useState({ text: null, problem: null });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let isOver = false;
    let timer;
    async function read() {
      const began = performance.now();
      try {
        const text = await getText(`runs/${runId}/log`);
        if (!isOver) {
          setState({ text, problem: null });
        }
      } catch (problem) {
        if (!isOver) {
          setState((old) => ({ ...old, problem }));
        }
      }
      if (!isOver && underWay) {
        timer = setTimeout(read, Math.max(2000, 10 * (performance.now() - began)));
      }
    }
    read();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [runId, underWay, again]);
  return { ...state, reload: useCallback(() => setAgain((count) => count + 1), []) };
}
