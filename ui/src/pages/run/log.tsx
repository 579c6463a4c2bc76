/** The tab Log: reads, filters and shows what the tasks of a run wrote, in all tries. */

import { Box, Button, HStack, Switch, Text } from "@chakra-ui/react";
import {
  forwardRef,
  memo,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { asProblem, getText, type Problem, url } from "../../lib/api";
import type { RunDetail } from "../../lib/openapi";
import { Empty, Failure, Loading } from "../../lib/ui";
import { Choice, SearchBox, Toolbar, useSettled } from "./lists";
import { LEVELS } from "../../words/runs";
import { EMPTY } from "../../words/empty";

/** Show the log of a run; it grows while the run is under way. */
export function Log({ run, underWay }: { run: RunDetail; underWay: boolean }) {
  return run.has.log ? <Lines run={run} underWay={underWay} /> : <NoLog run={run} />;
}

function Lines({ run, underWay }: { run: RunDetail; underWay: boolean }) {
  const [isWhole, setIsWhole] = useState(false);
  const { text, problem, isPart, reload } = useLog(run.run_id, underWay, isWhole);
  const [gravity, setGravity] = useState("0");
  const [words, setWords] = useState("");
  const settled = useSettled(words, 200);
  const log = useRef<Jumping>(null);
  const lines = useMemo(() => parseLog(text ?? ""), [text]);
  const shown = useMemo(
    () => filterLines(lines, { gravity: Number(gravity), words: settled }),
    [lines, gravity, settled],
  );
  const headings = shown.filter((line) => line.section);
  const count = shown.length - headings.length;

  if (problem?.status === 404) {
    return <NoLog run={run} />;
  }
  if (problem && text === null) {
    return <Failure problem={problem} retry={reload} />;
  }
  if (text === null) {
    return <Loading height="24rem" />;
  }
  return (
    <Box>
      <Toolbar>
        <SearchBox label="Search the log" value={words} onChange={setWords} />
        <Choice label="Level" value={gravity} onChange={setGravity} choices={LEVELS} />
        <Switch.Root
          size="sm"
          colorPalette="brand"
          checked={isWhole}
          onCheckedChange={({ checked }) => setIsWhole(checked)}
        >
          <Switch.HiddenInput />
          <Switch.Control />
          <Switch.Label>{"Airflow's own lines"}</Switch.Label>
        </Switch.Root>
        <Box flex="1" />
        <Button asChild variant="outline" size="sm">
          <a href={url(`runs/${run.run_id}/log?download=true`)} download={`${run.run_id}.log`}>
            Download
          </a>
        </Button>
      </Toolbar>
      <HStack as="nav" aria-label="Stages in the log" wrap="wrap" gap="1" mb="2">
        <Text color="fg.muted" fontSize="sm" mr="1">
          Jump to
        </Text>
        {headings.map(({ number, section }) => (
          <Button key={number} size="xs" variant="ghost" onClick={() => log.current?.jump(number)}>
            {section && section.attempt > 1
              ? `${section.stage}, try ${section.attempt}`
              : section?.stage}
          </Button>
        ))}
        <Box flex="1" />
        <Text color="fg.muted" fontSize="sm" role="status">
          {shown === lines
            ? `${count.toLocaleString("en")} lines`
            : `${count.toLocaleString("en")} of ${lines.length.toLocaleString("en")} lines`}
          {underWay || isPart ? ", more to come" : ""}
        </Text>
      </HStack>
      {shown.length === 0 ? (
        <Empty {...(lines.length === 0 ? EMPTY.logYet : EMPTY.log)} />
      ) : (
        <LogWindow ref={log} lines={shown} follows={underWay} label="Log of the run" />
      )}
    </Box>
  );
}

function NoLog({ run }: { run: RunDetail }) {
  const why = run.dag_run
    ? "Airflow keeps no log of this run any more. What the run found and changed is in the other tabs."
    : "It was started from the command line, which printed its log to the terminal. What the run found and changed is in the other tabs.";
  return <Empty title={EMPTY.noLog.title}>{why}</Empty>;
}

/** What has been read of a log. */
interface Read {
  text: string | null;
  problem: Problem | null;
  /** The rest of it is still on its way. */
  isPart: boolean;
}

/**
 * Read the log, again and again while the run is under way, and once more when it has ended.
 *
 * @param isWhole With what Airflow and libraries write about themselves.
 */
function useLog(runId: string, underWay: boolean, isWhole: boolean) {
  const [state, setState] = useState<Read>({ text: null, problem: null, isPart: false });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let isOver = false;
    let timer: number | undefined;
    async function read() {
      const began = performance.now();
      try {
        const params = { story: isWhole ? "false" : "true" };
        const text = await getText(`runs/${runId}/log`, params, (beginning) => {
          if (!isOver) {
            setState((old) =>
              old.text === null ? { text: beginning, problem: null, isPart: true } : old,
            );
          }
        });
        if (!isOver) {
          setState({ text, problem: null, isPart: false });
        }
      } catch (caught) {
        if (!isOver) {
          setState((old) => ({ ...old, problem: asProblem(caught) }));
        }
      }
      if (!isOver && underWay) {
        timer = window.setTimeout(read, Math.max(2000, 10 * (performance.now() - began)));
      }
    }
    read();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [runId, underWay, isWhole, again]);
  return { ...state, reload: useCallback(() => setAgain((count) => count + 1), []) };
}

const LINE = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*(?:Z|\+00:00) ([A-Z]+) +(.*)$/;

const SECTION = /^=== (\w+), try (\d+) ===$/;

/** A line of a log. */
export interface LogLine {
  number: number;
  at: string;
  day: string;
  level: string;
  gravity: number;
  text: string;
  /** Where it is the heading of a stage. */
  section: { stage: string; attempt: number } | null;
}

const GRAVITY: Record<string, number> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 3 };

const LINES_IN_A_BLOCK = 100;

/**
 * Read the text of a log.
 *
 * A line without a time of its own, as those of a traceback, belongs to the line before it and is
 * as grave as that.
 *
 * @param text The log as the server sends it.
 * @returns One entry for each line.
 */
export function parseLog(text: string): LogLine[] {
  const rows = text.split("\n");
  if (rows[rows.length - 1] === "") {
    rows.pop();
  }
  let level = "INFO";
  return rows.map((row, index) => {
    const number = index + 1;
    const heading = SECTION.exec(row);
    if (heading) {
      level = "INFO";
      const section = { stage: heading[1], attempt: Number(heading[2]) };
      return { number, at: "", day: "", level: "", gravity: 1, text: row, section };
    }
    const match = LINE.exec(row);
    if (!match) {
      const gravity = GRAVITY[level] ?? 1;
      return { number, at: "", day: "", level: "", gravity, text: row, section: null };
    }
    level = match[3];
    const gravity = GRAVITY[level] ?? 1;
    return { number, at: match[2], day: match[1], level, gravity, text: match[4], section: null };
  });
}

/**
 * Keep the lines that are grave enough and hold the words; a stage that keeps a line keeps its
 * heading.
 *
 * @param lines As `parseLog` gives them.
 */
export function filterLines(
  lines: LogLine[],
  { gravity, words }: { gravity: number; words: string },
) {
  const wanted = words.trim().toLowerCase();
  if (gravity === 0 && wanted === "") {
    return lines;
  }
  const kept: LogLine[] = [];
  let heading: LogLine | null = null;
  for (const line of lines) {
    if (line.section) {
      heading = line;
    } else if (line.gravity >= gravity && line.text.toLowerCase().includes(wanted)) {
      if (heading) {
        kept.push(heading);
        heading = null;
      }
      kept.push(line);
    }
  }
  return kept;
}

/**
 * Cut lines into blocks that are drawn only while they are near to what is seen. A stage always
 * begins a block, so that one can jump to it.
 */
export function blocksOf(lines: LogLine[]) {
  const blocks: LogLine[][] = [];
  let block: LogLine[] = [];
  for (const line of lines) {
    if (block.length === LINES_IN_A_BLOCK || (line.section && block.length > 0)) {
      blocks.push(block);
      block = [];
    }
    block.push(line);
  }
  if (block.length > 0) {
    blocks.push(block);
  }
  return blocks;
}

const LINE_HEIGHT = 20;

const NEAR = "1200px 0px";

const AT_THE_END = 40;

const LOOK = {
  "& .line": { display: "flex", columnGap: "12px", paddingInline: "12px", minHeight: "20px" },
  "& .line > span": { flex: "none" },
  "& .line > .number": { width: "5ch", textAlign: "end", color: "fg.muted", userSelect: "none" },
  "& .line > .at": { color: "fg.muted" },
  "& .line > .level": { width: "8ch", fontWeight: "semibold" },
  "& .line > .text": { flex: "1", minWidth: "0", whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  "& .heading": { fontWeight: "bold", paddingBlock: "6px", bg: "bg.emphasized" },
  "& .g0 > .level": { color: "fg.muted" },
  "& .g1 > .level": { color: "blue.fg" },
  "& .g2 > .level": { color: "warning.fg" },
  "& .g2": { bg: "warning.subtle/40" },
  "& .g3 > .level": { color: "error.fg" },
  "& .g3": { bg: "error.subtle/50" },
  "@media (max-width: 719px)": {
    "& .line": { flexWrap: "wrap", columnGap: "8px", paddingBlock: "2px" },
    "& .line > .number": { display: "none" },
    "& .line > .level": { width: "auto" },
    "& .line > .text": { flexBasis: "100%" },
  },
};

/** Calls back when an element comes near to the visible part, or leaves it. */
interface Watcher {
  watch: (element: Element, callback: (isNear: boolean) => void) => () => void;
  stop: () => void;
}

/** Brings the line of a number into sight. */
interface Jumping {
  jump: (number: number) => void;
}

interface LogWindowProps {
  lines: LogLine[];
  follows: boolean;
  label: string;
}

/**
 * Show lines in a box of its own that scrolls.
 *
 * @param props.lines As `parseLog` gives them.
 * @param props.follows Whether lines are still being added: then the end stays in sight
 *   for whoever looks at it.
 * @param props.label What the box is called when read aloud.
 * @param ref Gets `jump(number)`, which brings the line of this number into sight.
 */
export const LogWindow = forwardRef<Jumping, LogWindowProps>(function LogWindow(
  { lines, follows, label },
  ref,
) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(follows);
  const [watcher, setWatcher] = useState<Watcher | null>(null);
  const blocks = useMemo(() => blocksOf(lines), [lines]);

  useEffect(() => {
    const made = watchNearness(box.current);
    setWatcher(made);
    return () => made.stop();
  }, []);

  useLayoutEffect(() => {
    if (follows && isAtEnd.current && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [lines, follows, watcher]);

  useImperativeHandle(
    ref,
    () => ({
      jump(number: number) {
        isAtEnd.current = false;
        const block = box.current?.querySelector<HTMLElement>(`[data-first="${number}"]`);
        // Blocks that come near take their true height, which moves what is below them.
        const settle = (frames: number) => {
          if (block && box.current && frames > 0) {
            box.current.scrollTop = block.offsetTop;
            requestAnimationFrame(() => settle(frames - 1));
          }
        };
        settle(6);
      },
    }),
    [],
  );

  return (
    <Box
      ref={box}
      role="region"
      aria-label={label}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < AT_THE_END;
      }}
      position="relative"
      overflowY="auto"
      maxHeight="70vh"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="md"
      bg="bg.subtle"
      fontFamily="mono"
      fontSize="xs"
      lineHeight={`${LINE_HEIGHT}px`}
      paddingBlock="2"
      css={LOOK}
    >
      {blocks.map((block) => (
        <Block key={block[0].number} block={block} watcher={watcher} />
      ))}
    </Box>
  );
});

/** A block of lines; while it is far away, an empty box of the height that it had. */
const Block = memo(
  function Block({ block, watcher }: { block: LogLine[]; watcher: Watcher | null }) {
    const box = useRef<HTMLDivElement>(null);
    const [isNear, setIsNear] = useState(false);
    const height = useRef(block.length * LINE_HEIGHT);
    useEffect(() => {
      const element = box.current;
      if (!element) {
        return undefined;
      }
      return watcher?.watch(element, (near) => {
        if (!near && element.firstChild) {
          height.current = element.offsetHeight;
        }
        setIsNear(near);
      });
    }, [watcher]);
    return (
      <div
        ref={box}
        data-first={block[0].number}
        style={isNear ? undefined : { height: height.current }}
      >
        {isNear ? block.map((line) => <Line key={line.number} line={line} />) : null}
      </div>
    );
  },
  (old, { block, watcher }) =>
    old.watcher === watcher &&
    old.block.length === block.length &&
    old.block.every((line, index) => line.number === block[index].number) &&
    old.block.at(-1)?.text === block.at(-1)?.text,
);

function Line({ line }: { line: LogLine }) {
  if (line.section) {
    const { stage, attempt } = line.section;
    return (
      <div className="line heading">
        <span className="number" aria-hidden>
          {line.number}
        </span>
        <span className="text">{`${stage}, try ${attempt}`}</span>
      </div>
    );
  }
  return (
    <div className={`line g${line.gravity}`}>
      <span className="number" aria-hidden>
        {line.number}
      </span>
      {line.at && (
        <span className="at" title={`${line.day} ${line.at} UTC`}>
          {line.at}
        </span>
      )}
      {line.at && <span className="level">{line.level}</span>}
      <span className="text">{line.text}</span>
    </div>
  );
}

/** Return a watcher of the elements in a box that scrolls. */
function watchNearness(root: Element | null): Watcher {
  const callbacks = new Map<Element, (isNear: boolean) => void>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        callbacks.get(target)?.(isIntersecting);
      }
    },
    { root, rootMargin: NEAR },
  );
  return {
    watch(element, callback) {
      callbacks.set(element, callback);
      observer.observe(element);
      return () => {
        observer.unobserve(element);
        callbacks.delete(element);
      };
    },
    stop: () => observer.disconnect(),
  };
}
