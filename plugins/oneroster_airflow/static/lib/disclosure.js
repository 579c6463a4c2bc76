/** Something that is shown when one asks for it. */

import { h } from "./ui.js";

const { Box, Button } = globalThis.ChakraUI;
const { useId } = globalThis.React;

/**
 * Show a button, and what it opens below it.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {boolean} props.isOpen
 * @param {function(boolean): void} props.onToggle
 * @param {*} props.children
 */
export function Disclosure({ label, isOpen, onToggle, children }) {
  const id = useId();
  return h(
    Box,
    null,
    h(
      Button,
      {
        type: "button",
        size: "sm",
        variant: "ghost",
        ms: "-3",
        _expanded: { bg: "transparent" },
        "aria-expanded": isOpen,
        "aria-controls": id,
        onClick: () => onToggle(!isOpen),
      },
      h(Box, { as: "span", "aria-hidden": true }, isOpen ? "▾" : "▸"),
      label,
    ),
    h(Box, { id, hidden: !isOpen, mt: "3" }, children),
  );
}
