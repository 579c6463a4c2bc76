/** Who approved and discarded what in a month, as a table and as CSV. */

import { Badge, Box, Button, Flex, Input, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";
import { url, useApi } from "../../lib/api";
import type { DecisionRow } from "../../lib/openapi";
import { Card, Empty, Failure, HOME, Loading, Time } from "../../lib/ui";
import { today } from "../../lib/time";
import { type Column, Rows } from "../run/lists";
import { EMPTY } from "../../words/empty";

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/;

/** Show the decisions of a month; this one first. */
export function Decisions({ site }: { site: string }) {
  const [month, setMonth] = useState(() => today().slice(0, 7));
  const isMonth = MONTH.test(month);
  const path = isMonth ? (`sites/${site}/decisions` as const) : null;
  const { data, problem, reload } = useApi(path, { params: { month } });
  return (
    <Card
      title="Decisions of a month"
      hint="Who approved or discarded which plan, why it was held, and the reason that was given."
      actions={
        <Flex gap="2" wrap="wrap" align="center">
          <Input
            type="month"
            size="sm"
            width="11rem"
            aria-label="Month (UTC)"
            value={month}
            max={today().slice(0, 7)}
            onChange={(event) => setMonth(event.target.value)}
          />
          {isMonth && (
            <Button asChild variant="outline" size="sm">
              <a
                href={url(`sites/${site}/decisions.csv`, { month })}
                download={`decisions-${site}-${month}.csv`}
              >
                Download CSV
              </a>
            </Button>
          )}
        </Flex>
      }
    >
      {problem && <Failure problem={problem} retry={reload} />}
      {!data && !problem && isMonth && <Loading height="8rem" />}
      {!isMonth && (
        <Text color="fg.muted" fontSize="sm">
          Choose a month, such as 2026-11.
        </Text>
      )}
      {isMonth && data && data.decisions.length === 0 && <Empty {...EMPTY.decisions} />}
      {isMonth && data && data.decisions.length > 0 && (
        <Rows
          caption={`Decisions of ${data.month}`}
          rows={data.decisions}
          rowKey={({ run_id: id }) => id}
          columns={COLUMNS}
        />
      )}
    </Card>
  );
}

const COLUMNS: Column<DecisionRow>[] = [
  {
    key: "when",
    label: "When",
    width: "15rem",
    cell: ({ decided_at: at, run_id: id }) => (
      <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }}>
        <Link to={`${HOME}/runs/${id}`}>
          <Time at={at} seconds={false} />
        </Link>
      </Box>
    ),
  },
  {
    key: "decision",
    label: "Decision",
    width: "9rem",
    cell: ({ decision, applied }) => (
      <Box>
        <Badge colorPalette={decision === "approved" ? "success" : "gray"} variant="subtle">
          {decision === "approved" ? "Approved" : "Discarded"}
        </Badge>
        {decision === "approved" && applied === "no" && (
          <Text color="fg.muted" fontSize="sm">
            not applied
          </Text>
        )}
      </Box>
    ),
  },
  { key: "by", label: "By", width: "10rem", cell: ({ decided_by: by }) => by },
  { key: "plan", label: "Plan", cell: ({ plan }) => plan },
  { key: "why", label: "Why it was held", cell: ({ why_held: why }) => why },
  { key: "reason", label: "Reason", width: "18%", cell: ({ reason }) => reason || "–" },
];
