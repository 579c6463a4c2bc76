/** What a target shows of its upload, from the choice of a file to the run that reads it. */

import { h } from "../../lib/ui.js";
import { size } from "../../lib/words.js";
import { nameHint, rightKind } from "./kinds.js";

const { Box, Button, Flex, Progress, Text, VisuallyHidden } = globalThis.ChakraUI;
const { useEffect, useRef } = globalThis.React;

const STEP = 25;
const TITLES = {
  0: "Not uploaded",
  408: "The upload was cut off",
  413: "The file is too large",
  415: "This file cannot be read here",
  422: "The file cannot be used",
  507: "The storage is full",
};

/** A file that is about to be sent. */
export function Chosen({ kind, uploading: { state, send, reset } }) {
  const hint = nameHint(kind.kind, state.file);
  return h(
    Body,
    null,
    h(FileLine, { file: state.file }),
    state.stage === "cancelled" && h(Text, { role: "status", fontSize: "sm" }, "Cancelled; nothing of it was kept."),
    hint && h(Text, { fontSize: "sm", color: "fg.warning" }, hint),
    h(Text, { fontSize: "sm", color: "fg.muted" }, "A sync begins as soon as the file has arrived."),
    h(
      Buttons,
      null,
      h(Act, { onClick: () => send(kind.kind, state.file) }, "Upload and sync"),
      h(Back, { onClick: reset }, "Choose another file"),
    ),
  );
}

/** A file on its way. */
export function Sending({ uploading: { state, cancel } }) {
  const { file, sent } = state;
  const whole = file.size || 1;
  const percent = Math.min(100, Math.floor((100 * sent) / whole));
  const isThere = sent >= file.size;
  return h(
    Body,
    null,
    h(FileLine, { file }),
    h(
      Progress.Root,
      {
        value: isThere ? null : percent,
        size: "sm",
        colorPalette: "brand",
        "aria-label": `Upload of ${file.name}`,
      },
      h(Progress.Track, null, h(Progress.Range)),
    ),
    h(
      Text,
      { fontSize: "sm", color: "fg.muted", fontVariantNumeric: "tabular-nums" },
      isThere ? "Arrived; it is being looked at." : `${size(Math.min(sent, file.size))} of ${size(file.size)} · ${percent} %`,
    ),
    h(
      VisuallyHidden,
      { role: "status", "aria-live": "polite" },
      isThere ? "Arrived; it is being looked at." : `${Math.floor(percent / STEP) * STEP} percent uploaded`,
    ),
    h(Buttons, null, h(Back, { onClick: cancel }, "Cancel")),
  );
}

/** A file that was not taken, and what to do about it. */
export function Refused({ kind, uploading: { state, kinds, send, reset } }) {
  const { problem, file } = state;
  const right = rightKind(problem, kinds);
  const canRetry = problem.status === 0 || problem.status === 408 || problem.status >= 500;
  return h(
    Body,
    null,
    file && h(FileLine, { file }),
    h(
      Box,
      { role: "alert", fontSize: "sm" },
      h(
        Text,
        { color: "fg.error", fontWeight: "bold" },
        right ? `This is ${right.kind === "package" ? "a zip" : right.file}, not ${kind.file}` : titleOf(problem),
      ),
      h(Text, { overflowWrap: "anywhere" }, right ? "Nothing was uploaded." : problem.detail),
    ),
    h(
      Buttons,
      null,
      right && h(Act, { onClick: () => send(right.kind, file) }, `Upload it as ${right.file}`),
      !right && canRetry && h(Act, { onClick: () => send(kind.kind, file) }, "Try again"),
      h(Back, { onClick: reset }, "Choose another file"),
    ),
  );
}

/** A file that was taken in; its run is on its way, and the page goes there. */
export function Taken({ uploading: { state } }) {
  return h(
    Body,
    null,
    h(FileLine, { file: state.file }),
    h(Text, { role: "status", color: "fg.success", fontWeight: "bold", fontSize: "sm" }, "Uploaded; its sync begins."),
  );
}

function Body({ children }) {
  return h(Flex, { direction: "column", gap: "2", flex: "1", minWidth: 0 }, children);
}

/** What can be done in a stage; the first of it gets the focus when the stage appears. */
function Buttons({ children }) {
  const own = useRef(null);
  useEffect(() => {
    own.current.querySelector("a, button").focus();
  }, []);
  return h(Flex, { ref: own, gap: "2", wrap: "wrap", mt: "auto", pt: "2" }, children);
}

function Act(button) {
  return h(Button, { size: "sm", colorPalette: "brand", ...button });
}

function Back(button) {
  return h(Button, { size: "sm", variant: "outline", ...button });
}

function FileLine({ file }) {
  return h(
    Text,
    { fontWeight: "bold", overflowWrap: "anywhere" },
    file.name,
    !file.isFolder && h(Text, { as: "span", color: "fg.muted", fontWeight: "normal", fontSize: "sm" }, ` · ${size(file.size)}`),
  );
}

function titleOf({ status, title }) {
  return TITLES[status] ?? title;
}
