/** What is told about a run while one looks at it. */

import { h } from "../../lib/ui.js";
import { outcomeLabel } from "../../lib/words.js";
import { doing, isUnderWay } from "./watch.js";

const { Alert, Box, CloseButton, VisuallyHidden } = globalThis.ChakraUI;

/**
 * Tell a screen reader what changes: the stage, then the outcome.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function Announcement({ run }) {
  const words = isUnderWay(run)
    ? doing(run.dag_run)
    : `The run ended: ${outcomeLabel(run.outcome)}. ${run.sentence}`;
  return h(VisuallyHidden, { "aria-live": "polite", role: "status" }, words);
}

/**
 * Say what came of what was just done, until it is closed.
 *
 * @param {object} props
 * @param {{text: string, isBad?: boolean}|null} props.notice
 * @param {function(): void} props.close
 */
export function Notice({ notice, close }) {
  return h(
    Box,
    { role: notice?.isBad ? "alert" : "status" },
    notice &&
      h(
        Alert.Root,
        { status: notice.isBad ? "warning" : "success", alignItems: "center", mb: "4", py: "2" },
        h(Alert.Indicator),
        h(Alert.Content, null, h(Alert.Description, null, notice.text)),
        h(CloseButton, { size: "sm", onClick: close, "aria-label": "Close this message" }),
      ),
  );
}
