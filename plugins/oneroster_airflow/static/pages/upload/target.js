/** One place to bring a file to: by choosing or by dropping. */

import { h } from "../../lib/ui.js";
import { size } from "../../lib/words.js";
import { Chosen, Refused, Sending, Taken } from "./stages.js";

const { Box, Button, Code, Flex, Heading, Text } = globalThis.ChakraUI;
const { useEffect, useId, useRef, useState } = globalThis.React;

/**
 * Show what a kind of file touches, and take one in.
 *
 * @param {object} props
 * @param {object} props.kind Of `KINDS`.
 * @param {number|null} props.limit Bytes that it may have.
 * @param {boolean} props.isAllowed Whether the viewer may upload.
 * @param {object} props.uploading As `useUpload` gives it.
 */
export function Target({ kind, limit, isAllowed, uploading }) {
  const { state } = uploading;
  const isMine = state.kind === kind.kind;
  const isLocked = !isAllowed || state.stage === "sending" || state.stage === "done";
  const id = useId();
  return h(
    Flex,
    {
      as: "section",
      "aria-labelledby": id,
      direction: "column",
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "8px",
      p: "4",
      minWidth: 0,
    },
    h(
      Flex,
      { gap: "2", align: "baseline", justify: "space-between", mb: "1" },
      h(Heading, { as: "h2", size: "md", id }, kind.title),
      h(Code, { size: "sm", variant: "surface" }, kind.file),
    ),
    h(
      Box,
      { fontSize: "sm", mb: "4", minHeight: { lg: "4rem" } },
      h(Text, null, kind.touches),
      h(Text, { color: "fg.muted" }, kind.leaves),
    ),
    isMine && state.stage !== "idle"
      ? h(Mine, { kind, uploading })
      : h(DropZone, { kind, limit, isLocked, uploading, describedBy: id }),
  );
}

const VIEWS = {
  chosen: Chosen,
  cancelled: Chosen,
  sending: Sending,
  refused: Refused,
  done: Taken,
};

function Mine({ kind, uploading }) {
  const { state } = uploading;
  return h(Frame, null, h(VIEWS[state.stage], { kind, uploading }));
}

function DropZone({ kind, limit, isLocked, uploading, describedBy }) {
  const input = useRef(null);
  const button = useRef(null);
  const [isOver, setIsOver] = useState(false);
  const isBack = uploading.state.last === kind.kind;
  useEffect(() => {
    if (isBack) {
      button.current.focus();
    }
  }, [isBack]);
  const depth = useRef(0);
  const take = (files) => files.length && uploading.choose(kind.kind, files);
  const enter = (by) => {
    depth.current += by;
    setIsOver(depth.current > 0);
  };
  return h(
    Frame,
    {
      borderStyle: "dashed",
      borderColor: isOver ? "brand.solid" : "border.emphasized",
      bg: isOver ? "brand.subtle" : "transparent",
      opacity: isLocked ? 0.6 : 1,
      alignItems: "center",
      justifyContent: "center",
      textAlign: "center",
      onDragEnter: () => !isLocked && enter(1),
      onDragLeave: () => !isLocked && enter(-1),
      onDragOver: (event) => {
        event.preventDefault();
        event.dataTransfer.dropEffect = isLocked ? "none" : "copy";
      },
      onDrop: (event) => {
        event.preventDefault();
        depth.current = 0;
        setIsOver(false);
        if (!isLocked) {
          take(dropped(event.dataTransfer));
        }
      },
    },
    h(
      Text,
      { color: isOver ? "fg" : "fg.muted", fontWeight: isOver ? "bold" : "normal" },
      isOver ? `Drop it to upload it as ${kind.file}` : `Drop ${kind.file} here, or`,
    ),
    h(
      Button,
      {
        ref: button,
        variant: "outline",
        size: "sm",
        visibility: isOver ? "hidden" : "visible",
        disabled: isLocked,
        "aria-describedby": describedBy,
        onClick: () => input.current.click(),
      },
      `Choose ${kind.file}`,
    ),
    h(
      Text,
      { color: "fg.muted", fontSize: "xs", minHeight: "1.5em" },
      limit ? `At most ${size(limit)}` : "",
    ),
    h("input", {
      ref: input,
      type: "file",
      hidden: true,
      accept: kind.accept,
      "aria-label": kind.file,
      disabled: isLocked,
      onChange: (event) => {
        take([...event.target.files]);
        event.target.value = "";
      },
    }),
  );
}

/** The same room for every stage, so that nothing jumps. */
function Frame(props) {
  return h(Flex, {
    direction: "column",
    gap: "2",
    borderWidth: "2px",
    borderColor: "border.emphasized",
    borderRadius: "8px",
    p: "4",
    minHeight: "13rem",
    flex: "1",
    minWidth: 0,
    ...props,
  });
}

/** Return what was dropped; a folder is told apart, because it looks like an empty file. */
function dropped(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (files.length === 1 && entries[0]?.isDirectory) {
    return [{ name: files[0].name, size: 0, isFolder: true }];
  }
  return files;
}
