/** Boxes for days and for lists of names. */

import { h } from "../../lib/ui.js";
import { useForm } from "./parts.js";
import { valueAt } from "./settings.js";

const { Input, Textarea } = globalThis.ChakraUI;

const FEWEST_LINES = 2;
const MOST_LINES = 8;

/**
 * A day, which may be left empty.
 *
 * @param {object} props
 * @param {string} props.path
 */
export function DayBox({ path, ...control }) {
  const { draft, change, isReadOnly } = useForm();
  return h(Input, {
    ...control,
    type: "date",
    size: "sm",
    width: "10rem",
    readOnly: isReadOnly,
    min: "2000-01-01",
    max: "2999-12-31",
    value: valueAt(draft, path) ?? "",
    onChange: (event) => change(path, event.target.value),
  });
}

/**
 * Names, one on each line.
 *
 * @param {object} props
 * @param {string} props.path
 * @param {string} props.placeholder
 */
export function LinesBox({ path, ...control }) {
  const { draft, change, isReadOnly } = useForm();
  const lines = valueAt(draft, path);
  return h(Textarea, {
    ...control,
    size: "sm",
    rows: Math.min(MOST_LINES, Math.max(FEWEST_LINES, lines.length + 1)),
    maxWidth: "30rem",
    resize: "vertical",
    fontFamily: "mono",
    autoComplete: "off",
    spellCheck: false,
    readOnly: isReadOnly,
    value: lines.join("\n"),
    onChange: (event) => change(path, event.target.value.split("\n")),
  });
}
