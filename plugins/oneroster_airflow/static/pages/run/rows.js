/** A table that turns into a stack of labelled values where there is no room for columns. */

import { h } from "../../lib/ui.js";

const { Box, Table } = globalThis.ChakraUI;

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

/**
 * Draw rows under columns.
 *
 * @param {object} props
 * @param {string} props.caption What the table holds; read aloud, not shown.
 * @param {{key: string, label: string, width?: string, align?: string,
 *   cell: function(object): *}[]} props.columns
 * @param {object[]} props.rows
 * @param {function(object, number): (string|number)} props.rowKey
 * @param {boolean} [props.busy] Whether other rows are on their way.
 */
export function Rows({ caption, columns, rows, rowKey, busy = false }) {
  return h(
    Box,
    {
      css: LAYOUT,
      position: "relative",
      opacity: busy ? 0.6 : 1,
      transition: "opacity 0.15s ease 0.2s",
    },
    h(
      Table.Root,
      { size: "sm", striped: true, role: "table", "aria-busy": busy },
      h(Table.Caption, null, caption),
      h(
        Table.Header,
        { role: "rowgroup" },
        h(
          Table.Row,
          { role: "row" },
          columns.map(({ key, label, width, align }) =>
            h(
              Table.ColumnHeader,
              { key, role: "columnheader", scope: "col", width, textAlign: align },
              label,
            ),
          ),
        ),
      ),
      h(
        Table.Body,
        { role: "rowgroup" },
        rows.map((row, index) =>
          h(
            Table.Row,
            { key: rowKey(row, index), role: "row" },
            columns.map(({ key, label, align, cell }) => {
              const content = cell(row);
              return h(
                Table.Cell,
                { key, role: "cell", textAlign: align, "data-label": label },
                content === null ? null : h(Box, { minWidth: 0 }, content),
              );
            }),
          ),
        ),
      ),
    ),
  );
}
