/** What a change does to a record, field by field. */

import { h } from "../../lib/ui.js";
import { capital, fieldLabel } from "../../lib/words.js";

const { Badge, Box, Code, Flex, Text, VisuallyHidden } = globalThis.ChakraUI;

const ACTIONS = {
  add: { done: "Added", would: "Would be added", palette: "green", sign: "+" },
  update: { done: "Updated", would: "Would be updated", palette: "blue", sign: "~" },
  adopt: { done: "Adopted", would: "Would be adopted", palette: "purple", sign: "=" },
  rekey: { done: "New sourcedId", would: "Would get a new sourcedId", palette: "purple", sign: "=" },
  deactivate: { done: "Deactivated", would: "Would be deactivated", palette: "red", sign: "−" },
  remove: { done: "Removed", would: "Would be removed", palette: "red", sign: "−" },
  reactivate: { done: "Reactivated", would: "Would be reactivated", palette: "teal", sign: "+" },
};

const ORDER = [
  "status",
  "given_name",
  "family_name",
  "title",
  "email",
  "username",
  "role",
  "course_code",
  "grades",
  "subjects",
  "org_sourced_ids",
  "org_sourced_id",
  "school_year_sourced_id",
];
const NAMED_ANYWAY = new Set(["sourced_id", "managed"]);

const KINDS = { user: "user", course: "course", assignment: "course assignment" };

/**
 * Say what is done to a record.
 *
 * @param {object} props
 * @param {string} props.action
 * @param {string} [props.kind]
 * @param {boolean} [props.applied] False when it was only planned.
 */
export function Action({ action, kind, applied = true }) {
  const words = ACTIONS[action] ?? { done: action, would: action, palette: "gray", sign: "·" };
  return h(
    Flex,
    { direction: "column", align: "flex-start", gap: "1" },
    h(
      Badge,
      { colorPalette: words.palette, variant: "subtle", whiteSpace: "nowrap" },
      h(Box, { as: "span", "aria-hidden": true, fontFamily: "mono" }, words.sign),
      applied ? words.done : words.would,
    ),
    kind && h(Text, { color: "fg.muted", fontSize: "xs" }, KINDS[kind] ?? kind),
  );
}

/**
 * List fields: what they were and what they become. Of a new record, what it is made of.
 *
 * @param {object} props
 * @param {{field: string, before: *, after: *}[]} props.fields
 */
export function Fields({ fields }) {
  const isNew = fields.every(({ before }) => isBlank(before));
  const shownFields = inOrder(isNew ? fields.filter(isTelling) : fields);
  return h(
    Flex,
    {
      as: "dl",
      m: "0",
      direction: isNew ? "row" : "column",
      wrap: isNew ? "wrap" : "nowrap",
      columnGap: "4",
    },
    shownFields.map(({ field, before, after }) =>
      h(
        Flex,
        { key: field, gap: "2", align: "baseline", fontSize: "sm", minWidth: 0 },
        h(Box, { as: "dt", color: "fg.muted", flex: "none" }, capital(fieldLabel(field))),
        h(Box, { as: "dd", m: "0", minWidth: 0 }, h(Value, { before, after })),
      ),
    ),
  );
}

/** A new record is active, kept by the sync, and named by its sourcedId beside this list. */
function isTelling({ field, after }) {
  return !(NAMED_ANYWAY.has(field) || (field === "status" && after === "active") || isBlank(after));
}

function inOrder(fields) {
  const place = ({ field }) => (ORDER.includes(field) ? ORDER.indexOf(field) : ORDER.length);
  return [...fields].sort((one, other) => place(one) - place(other));
}

function Value({ before, after }) {
  if (isBlank(before)) {
    return shown(after);
  }
  return h(
    Text,
    { as: "span" },
    h(Text, { as: "del", color: "fg.muted" }, h(VisuallyHidden, null, "before: "), shown(before)),
    h(Text, { as: "span", "aria-hidden": true, color: "fg.muted" }, " → "),
    h(
      Text,
      { as: "ins", textDecoration: "none", fontWeight: "medium" },
      h(VisuallyHidden, null, "after: "),
      shown(after),
    ),
  );
}

function isBlank(value) {
  return value === null || value === undefined || value === "";
}

function shown(value) {
  if (isBlank(value)) {
    return h(Text, { as: "em", color: "fg.muted" }, "blank");
  }
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/**
 * Name a record: what people call it and what the SIS calls it.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {string|null} props.sourcedId
 */
export function RecordName({ label, sourcedId }) {
  return h(
    Box,
    { minWidth: 0 },
    h(Text, { fontWeight: "medium" }, label || "(without a name)"),
    sourcedId &&
      h(Code, { size: "sm", variant: "plain", color: "fg.muted", px: "0" }, sourcedId),
  );
}

/**
 * Name the row of a file, or say that there is none.
 *
 * @param {object} props
 * @param {string|null} props.file
 * @param {number|null} props.row
 */
export function Place({ file, row }) {
  if (!file) {
    return h(Text, { as: "span", color: "fg.muted" }, "–");
  }
  const place = row ? `${file}, row ${row.toLocaleString("en")}` : file;
  return h(Text, { as: "span" }, place);
}
