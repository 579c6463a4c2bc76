/** Draws tens of thousands of log lines by drawing only those near to what is seen. */

import { h } from "../../lib/ui.js";
import { blocksOf } from "./log_lines.js";

const { Box } = globalThis.ChakraUI;
const { forwardRef, memo, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } =
  globalThis.React;

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

/**
 * Show lines in a box of its own that scrolls.
 *
 * @param {object} props
 * @param {object[]} props.lines As `parseLog` gives them.
 * @param {boolean} props.follows Whether lines are still being added: then the end stays in sight
 *   for whoever looks at it.
 * @param {string} props.label What the box is called when read aloud.
 * @param {object} ref Gets `jump(number)`, which brings the line of this number into sight.
 */
export const LogWindow = forwardRef(function LogWindow({ lines, follows, label }, ref) {
  const box = useRef(null);
  const isAtEnd = useRef(follows);
  const [watcher, setWatcher] = useState(null);
  const blocks = useMemo(() => blocksOf(lines), [lines]);

  useEffect(() => {
    const made = watchNearness(box.current);
    setWatcher(made);
    return () => made.stop();
  }, []);

  useLayoutEffect(() => {
    if (follows && isAtEnd.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [lines, follows, watcher]);

  useImperativeHandle(
    ref,
    () => ({
      jump(number) {
        isAtEnd.current = false;
        const block = box.current.querySelector(`[data-first="${number}"]`);
        // Blocks that come near take their true height, which moves what is below them.
        const settle = (frames) => {
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

  return h(
    Box,
    {
      ref: box,
      role: "region",
      "aria-label": label,
      tabIndex: 0,
      onScroll: ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < AT_THE_END;
      },
      position: "relative",
      overflowY: "auto",
      maxHeight: "70vh",
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "md",
      bg: "bg.subtle",
      fontFamily: "mono",
      fontSize: "xs",
      lineHeight: `${LINE_HEIGHT}px`,
      paddingBlock: "2",
      css: LOOK,
    },
    blocks.map((block) => h(Block, { key: block[0].number, block, watcher })),
  );
});

/** A block of lines; while it is far away, an empty box of the height that it had. */
const Block = memo(
  function Block({ block, watcher }) {
    const box = useRef(null);
    const [isNear, setIsNear] = useState(false);
    const height = useRef(block.length * LINE_HEIGHT);
    useEffect(() => {
      const element = box.current;
      return watcher?.watch(element, (near) => {
        if (!near && element.firstChild) {
          height.current = element.offsetHeight;
        }
        setIsNear(near);
      });
    }, [watcher]);
    return h(
      "div",
      {
        ref: box,
        "data-first": block[0].number,
        style: isNear ? undefined : { height: height.current },
      },
      isNear ? block.map((line) => h(Line, { key: line.number, line })) : null,
    );
  },
  (old, { block, watcher }) =>
    old.watcher === watcher &&
    old.block.length === block.length &&
    old.block.every((line, index) => line.number === block[index].number) &&
    old.block.at(-1).text === block.at(-1).text,
);

function Line({ line }) {
  if (line.section) {
    const { stage, attempt } = line.section;
    return h(
      "div",
      { className: "line heading" },
      h("span", { className: "number", "aria-hidden": true }, line.number),
      h("span", { className: "text" }, `${stage}, try ${attempt}`),
    );
  }
  return h(
    "div",
    { className: `line g${line.gravity}` },
    h("span", { className: "number", "aria-hidden": true }, line.number),
    line.at && h("span", { className: "at", title: `${line.day} ${line.at} UTC` }, line.at),
    line.at && h("span", { className: "level" }, line.level),
    h("span", { className: "text" }, line.text),
  );
}

/** Tell elements whether they are near to what is seen of the box. */
function watchNearness(root) {
  const callbacks = new Map();
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
