/** What a change does to a record, field by field. */

import { Badge, Box, Code, Flex, Text, VisuallyHidden } from "@chakra-ui/react";
import type { FieldChange } from "../../lib/openapi";
import { capital, fieldLabel } from "../../lib/words";
import { ACTIONS, KIND_OF, NOUNS, type RecordKind } from "../../words/records";

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

/**
 * Say what is done to a record.
 *
 * @param props.applied False when it was only planned.
 */
export function Action({
  action,
  kind,
  applied = true,
}: {
  action: string;
  kind?: string;
  applied?: boolean;
}) {
  const words = ACTIONS[action] ?? { done: action, would: action, palette: "gray", sign: "·" };
  return (
    <Flex direction="column" align="flex-start" gap="1">
      <Badge colorPalette={words.palette} variant="subtle" whiteSpace="nowrap">
        <Box as="span" aria-hidden fontFamily="mono">
          {words.sign}
        </Box>
        {applied ? words.done : words.would}
      </Badge>
      {kind && (
        <Text color="fg.muted" fontSize="xs">
          {NOUNS[KIND_OF[kind as RecordKind]] ?? kind}
        </Text>
      )}
    </Flex>
  );
}

/** List fields: what they were and what they become. Of a new record, what it is made of. */
export function Fields({ fields }: { fields: FieldChange[] }) {
  const isNew = fields.every(({ before }) => isBlank(before));
  const shownFields = inOrder(isNew ? fields.filter(isTelling) : fields);
  return (
    <Flex
      as="dl"
      m="0"
      direction={isNew ? "row" : "column"}
      wrap={isNew ? "wrap" : "nowrap"}
      columnGap="4"
    >
      {shownFields.map(({ field, before, after }) => (
        <Flex key={field} gap="2" align="baseline" fontSize="sm" minWidth={0}>
          <Box as="dt" color="fg.muted" flex="none">
            {capital(fieldLabel(field))}
          </Box>
          <Box as="dd" m="0" minWidth={0}>
            <Value before={before} after={after} />
          </Box>
        </Flex>
      ))}
    </Flex>
  );
}

/** A new record is active, kept by the sync, and named by its sourcedId beside this list. */
function isTelling({ field, after }: FieldChange) {
  return !(NAMED_ANYWAY.has(field) || (field === "status" && after === "active") || isBlank(after));
}

function inOrder(fields: FieldChange[]) {
  const place = ({ field }: FieldChange) =>
    ORDER.includes(field) ? ORDER.indexOf(field) : ORDER.length;
  return [...fields].sort((one, other) => place(one) - place(other));
}

function Value({ before, after }: { before: unknown; after: unknown }) {
  if (isBlank(before)) {
    return shown(after);
  }
  return (
    <Text as="span">
      <Text as="del" color="fg.muted">
        <VisuallyHidden>before: </VisuallyHidden>
        {shown(before)}
      </Text>
      <Text as="span" aria-hidden color="fg.muted">
        {" "}
        →{" "}
      </Text>
      <Text as="ins" textDecoration="none" fontWeight="medium">
        <VisuallyHidden>after: </VisuallyHidden>
        {shown(after)}
      </Text>
    </Text>
  );
}

function isBlank(value: unknown) {
  return value === null || value === undefined || value === "";
}

function shown(value: unknown) {
  if (isBlank(value)) {
    return (
      <Text as="em" color="fg.muted">
        blank
      </Text>
    );
  }
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** Name a record: what people call it and what the SIS calls it. */
export function RecordName({
  label,
  sourcedId,
}: {
  label: string | null;
  sourcedId: string | null;
}) {
  return (
    <Box minWidth={0}>
      <Text fontWeight="medium">{label || "(without a name)"}</Text>
      {sourcedId && (
        <Code size="sm" variant="plain" color="fg.muted" px="0">
          {sourcedId}
        </Code>
      )}
    </Box>
  );
}

/** Name the row of a file, or say that there is none. */
export function Place({ file, row }: { file: string | null; row: number | null }) {
  if (!file) {
    return (
      <Text as="span" color="fg.muted">
        –
      </Text>
    );
  }
  const place = row ? `${file}, row ${row.toLocaleString("en")}` : file;
  return <Text as="span">{place}</Text>;
}
