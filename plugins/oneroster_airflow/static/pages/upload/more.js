/** What administrators bring beside packages: who is who. */

import { Disclosure } from "../../lib/disclosure.js";
import { h } from "../../lib/ui.js";
import { MAPPINGS } from "./kinds.js";
import { Target } from "./target.js";

const { Box, Grid, Text } = globalThis.ChakraUI;
const { useSearchParams } = globalThis.ReactRouterDOM;
const { useState } = globalThis.React;

/**
 * Take in mappings; open when the address or an upload is of one.
 *
 * @param {object} props
 * @param {object|null} props.limits Bytes that each kind may have.
 * @param {object} props.uploading As `useUpload` gives it.
 */
export function MoreTargets({ limits, uploading }) {
  const [params] = useSearchParams();
  const [isOpen, setIsOpen] = useState(isMapping(params.get("kind")));
  if (isMapping(uploading.state.kind) && !isOpen) {
    setIsOpen(true);
  }
  return h(
    Box,
    { mt: "4" },
    h(
      Disclosure,
      { label: "More: links of accounts, new sourcedIds", isOpen, onToggle: setIsOpen },
      h(
        Text,
        { color: "fg.muted", mb: "3", maxWidth: "60rem" },
        "These files hold no people and no courses. They say who is who, and change nothing else of a record. Each is a run of its own, with a plan and limits, and can be undone.",
      ),
      h(
        Grid,
        {
          gap: "4",
          templateColumns: { base: "minmax(0, 1fr)", lg: "repeat(3, minmax(0, 1fr))" },
        },
        MAPPINGS.map((kind) =>
          h(Target, {
            key: kind.kind,
            kind,
            limit: limits?.[kind.kind] ?? null,
            isAllowed: true,
            uploading,
          }),
        ),
      ),
    ),
  );
}

function isMapping(kind) {
  return MAPPINGS.some((one) => one.kind === kind);
}
