/** How a record stands: its status, and whether the sync keeps it. */

import { h } from "../../lib/ui.js";
import { capital } from "../../lib/words.js";

const { Badge, Text } = globalThis.ChakraUI;

const KINDS = { user: "User", course: "Course", assignment: "Course assignment" };

/**
 * Return what a kind of record is called.
 *
 * @param {string} kind
 * @returns {string}
 */
export function kindLabel(kind) {
  return KINDS[kind] ?? kind;
}

/**
 * Say whether a record is active.
 *
 * @param {object} props
 * @param {{status: string}} props.record
 */
export function Status({ record: { status } }) {
  return h(
    Badge,
    { colorPalette: status === "active" ? "success" : "gray", variant: "subtle" },
    capital(status),
  );
}

/**
 * Say who keeps a record: the sync, or people.
 *
 * @param {object} props
 * @param {{managed: boolean}} props.record
 */
export function Managed({ record: { managed } }) {
  return h(Text, { as: "span" }, managed ? "the sync" : "people, by hand");
}
