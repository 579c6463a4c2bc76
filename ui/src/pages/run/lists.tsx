/** Lists of a run: a table that becomes a stack where there is no room, its filters, and the way to more rows. */

import { Box, Button, Flex, Input, NativeSelect, Table, Text } from "@chakra-ui/react";
import { type ReactNode, useEffect, useState } from "react";
import type { Pages } from "../../lib/api";

const STACKED = "@media (max-width: 719px)";

const LAYOUT = {
  "& td, & th": { verticalAlign: "top", overflowWrap: "anywhere" },
  "& code": { whiteSpace: "normal", overflowWrap: "anywhere" },
  "& caption": {
    position: "absolute",
    width: "1px",
    height: "1px",
    overflow: "hidden",
    clipPath: "inset(50%)",
  },
  [STACKED]: {
    "& table, & tbody, & tr": { display: "block", width: "100%" },
    "& thead": { position: "absolute", height: "1px", overflow: "hidden", clipPath: "inset(50%)" },
    "& tr": { borderTopWidth: "1px", borderColor: "border", paddingBlock: "2" },
    "& td": {
      display: "grid",
      gridTemplateColumns: "6.5rem minmax(0, 1fr)",
      alignItems: "baseline",
      gap: "2",
      border: "0",
      paddingBlock: "1",
      paddingInline: "2",
      textAlign: "start",
      width: "auto",
    },
    "& td::before": {
      content: "attr(data-label)",
      color: "fg.muted",
      fontSize: "xs",
    },
    "& td:empty": { display: "none" },
  },
};

/** A column of a table. */
export interface Column<Row> {
  key: string;
  label: string;
  width?: string;
  align?: "start" | "center" | "end";
  cell: (row: Row) => ReactNode;
}

/**
 * Draw rows under columns.
 *
 * @param props.caption What the table holds; read aloud, not shown.
 * @param props.busy Whether other rows are on their way.
 */
export function Rows<Row>({
  caption,
  columns,
  rows,
  rowKey,
  busy = false,
}: {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row, index: number) => string | number;
  busy?: boolean;
}) {
  return (
    <Box
      css={LAYOUT}
      position="relative"
      opacity={busy ? 0.6 : 1}
      transition="opacity 0.15s ease 0.2s"
    >
      <Table.Root size="sm" striped role="table" aria-busy={busy}>
        <Table.Caption>{caption}</Table.Caption>
        <Table.Header role="rowgroup">
          <Table.Row role="row">
            {columns.map(({ key, label, width, align }) => (
              <Table.ColumnHeader
                key={key}
                role="columnheader"
                scope="col"
                width={width}
                textAlign={align}
              >
                {label}
              </Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body role="rowgroup">
          {rows.map((row, index) => (
            <Table.Row key={rowKey(row, index)} role="row">
              {columns.map(({ key, label, align, cell }) => {
                const content = cell(row);
                return (
                  <Table.Cell key={key} role="cell" textAlign={align} data-label={label}>
                    {content === null ? null : <Box minWidth={0}>{content}</Box>}
                  </Table.Cell>
                );
              })}
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
  );
}

/**
 * Return a value only once it has stood still for a while, so that typing asks the server once.
 *
 * @param wait Milliseconds.
 */
export function useSettled<T>(value: T, wait = 300): T {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

/** Lay filters out in a row that wraps. */
export function Toolbar({ children }: { children: ReactNode }) {
  return (
    <Flex wrap="wrap" gap="2" align="center" mb="3">
      {children}
    </Flex>
  );
}

/**
 * A box to search in.
 *
 * @param props.label Read aloud, and shown while the box is empty.
 */
export function SearchBox({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Box width={{ base: "100%", md: "20rem" }}>
      <Input
        type="search"
        size="sm"
        aria-label={label}
        placeholder={label}
        value={value}
        maxLength={200}
        onChange={(event) => onChange(event.target.value)}
      />
    </Box>
  );
}

/** A list to choose one of. */
export function Choice({
  label,
  value,
  onChange,
  choices,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  choices: { value: string; label: string }[];
}) {
  return (
    <NativeSelect.Root size="sm" width="auto" minWidth="10rem">
      <NativeSelect.Field
        aria-label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.label}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}

/**
 * What stands below a list that is read page by page: how much is shown, and a way to more.
 *
 * @param props.list As `usePages` gives it.
 * @param props.what What the rows are, in the plural.
 * @param props.total How many there are, where that is known.
 */
export function More<A, Row>({
  list,
  what,
  total = null,
}: {
  list: Pages<A, Row>;
  what: string;
  total?: number | null;
}) {
  const count = list.rows?.length ?? 0;
  const all = total ? ` of ${total.toLocaleString("en")}` : "";
  return (
    <Flex mt="3" gap="3" align="center" wrap="wrap" minHeight="8">
      {count > 0 && (
        <Text color="fg.muted" fontSize="sm" role="status">
          {list.hasMore
            ? `The first ${count.toLocaleString("en")}${all} ${what}`
            : `${count.toLocaleString("en")} ${count === 1 ? what.replace(/s$/, "") : what}`}
        </Text>
      )}
      {list.hasMore && (
        <Button size="sm" variant="outline" loading={list.loading} onClick={list.more}>
          Show more
        </Button>
      )}
      {list.problem && count > 0 && (
        <Text color="error.fg" fontSize="sm" role="alert">
          {list.problem.detail}
        </Text>
      )}
    </Flex>
  );
}
