/** The panel of a held run: why it waits, what each reason means, and the decision. */

import { Box, Button, Flex, Heading, Link as Anchor, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";
import { sayDone } from "../../lib/toasts";
import { post } from "../../lib/api";
import type { Hold, RunDetail } from "../../lib/openapi";
import { type May, Planned } from "../../lib/ui";
import { inTime, number } from "../../lib/words";
import { Ask } from "./ask";
import { consequenceOf, removalsOf } from "./consequence";
import { HoldBack } from "./hold_back";
import type { Answer } from "./index";
import { Rows } from "./lists";
import { addressOf, Counts, Hash } from "./overview";
import { Schools } from "./story";
import { ASK } from "../../words/questions";

/** The task that asks for the decision in Airflow. */
const QUESTION = "review_decision";

/**
 * The bar that stays in sight while a plan is held: what an approval comes to, and the decision.
 *
 * @param props.onDecided Gets what happened: `text`, and whether it `isBad` or
 *   `isPassing`, true only until the plan has been applied.
 */
export function DecisionBar({
  run,
  may,
  onDecided,
}: {
  run: RunDetail;
  may: May;
  onDecided: (notice: Answer | null) => void;
}) {
  const [asked, setAsked] = useState<string | null>(null);
  const close = () => setAsked(null);
  const canHoldBack = run.can.approve && !run.undoes && removalsOf(run.counts) > 0;
  return (
    <Box
      as="section"
      aria-label="Decision"
      position="sticky"
      bottom="0"
      zIndex="docked"
      bg="bg"
      borderTopWidth="1px"
      borderColor="border.emphasized"
      mt="4"
      py="3"
    >
      <Flex gap="2" wrap="wrap" align="center">
        {run.can.approve && (
          <Button
            colorPalette={removalsOf(run.counts) > 0 ? "danger" : "brand"}
            size="sm"
            onClick={() => setAsked("approve")}
          >
            {`Approve: ${consequenceOf(run.counts)}…`}
          </Button>
        )}
        {canHoldBack && (
          <Button variant="outline" size="sm" onClick={() => setAsked("hold back")}>
            Approve and hold back…
          </Button>
        )}
        {run.can.discard && (
          <Button variant="outline" size="sm" onClick={() => setAsked("discard")}>
            Discard…
          </Button>
        )}
        {!run.can.approve && !run.can.discard && <WhoDecides may={may} />}
        {run.expires_at && (
          <Text fontSize="sm" color="fg.muted">
            Expires <Planned at={run.expires_at} siteZone={run.time_zone} />
            {`, ${inTime(run.expires_at)} (then discarded).`}
          </Text>
        )}
      </Flex>
      <Approve run={run} open={asked === "approve"} close={close} onDecided={onDecided} />
      <HoldBack run={run} open={asked === "hold back"} close={close} onDecided={onDecided} />
      <Discard run={run} open={asked === "discard"} close={close} onDecided={onDecided} />
    </Box>
  );
}

/** Show why a run waits for a person. */
export function Hold({ run, may }: { run: RunDetail; may: May }) {
  return (
    <Box
      as="section"
      aria-labelledby="hold"
      borderWidth="1px"
      borderColor="warning.emphasized"
      borderInlineStartWidth="4px"
      borderInlineStartColor="warning.solid"
      borderRadius="md"
      p="4"
      mb="4"
    >
      <Heading as="h2" size="md" id="hold">
        Approval required
      </Heading>
      <Text mb="3" fontSize="sm" color="fg.muted">
        Nothing was changed. An administrator approves or discards this plan. Why it is held:
      </Text>
      <Holds holds={run.holds} reasons={run.reasons} />
      <Schools run={run} />
      <Text fontSize="sm" color="fg.muted" mt="3">
        Approve applies exactly this plan, or nothing if the roster has changed since. Discard
        changes nothing; the next sync makes a new plan.
      </Text>
      <Asked run={run} may={may} />
    </Box>
  );
}

function Holds({ holds, reasons }: { holds: Hold[]; reasons: string[] }) {
  if (holds.length === 0) {
    return (
      <Box as="ul" ps="5">
        {reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </Box>
    );
  }
  return (
    <Rows
      caption="Why the plan waits"
      rows={holds}
      rowKey={({ code, kind, school }) => `${code} ${kind} ${school}`}
      columns={[
        { key: "why", label: "Why", cell: (hold) => <Why hold={hold} /> },
        {
          key: "found",
          label: "Found",
          width: "10rem",
          cell: (hold) => (isOfNumbers(hold) ? `${number(hold.found)} of ${number(hold.of)}` : "–"),
        },
        {
          key: "share",
          label: "Share",
          width: "7rem",
          cell: (hold) =>
            isOfNumbers(hold) && hold.of ? `${((100 * hold.found) / hold.of).toFixed(1)} %` : "–",
        },
        { key: "limit", label: "Limit", width: "16rem", cell: ({ limit }) => limit },
      ]}
    />
  );
}

/** A package of another year is so as a whole. */
function isOfNumbers({ code }: Hold) {
  return code !== "guard.other_year";
}

function Why({ hold }: { hold: RunDetail["holds"][number] }) {
  return (
    <Box>
      <Text fontWeight="semibold">{hold.sentence}</Text>
      <Text color="fg.muted" fontSize="sm">
        {hold.hint}
      </Text>
    </Box>
  );
}

function WhoDecides({ may }: { may: May }) {
  return (
    <Text fontSize="sm">
      {may.administer
        ? "No decision is possible right now. Reload this page."
        : "Administrators decide. Send one of them the address of this page."}
    </Text>
  );
}

/** Where else it can be decided. */
function Asked({ run, may }: { run: RunDetail; may: May }) {
  const asks = run.dag_run?.stages.some(({ state }) => state === "awaiting_input");
  return run.dag_run && asks && may.administer ? (
    <Text mt="1" fontSize="sm" color="fg.muted">
      Airflow asks for the decision too:{" "}
      <Anchor asChild color="fg.info">
        <Link to={`${addressOf(run.dag_run)}/tasks/${QUESTION}/required_actions`}>
          Required Actions
        </Link>
      </Anchor>
      .
    </Text>
  ) : null;
}

function Approve({
  run,
  open,
  close,
  onDecided,
}: {
  run: RunDetail;
  open: boolean;
  close: () => void;
  onDecided: (notice: Answer | null) => void;
}) {
  return (
    <Ask
      open={open}
      close={close}
      title={ASK.approve.title}
      verb={`Approve: ${consequenceOf(run.counts)}`}
      isDanger={removalsOf(run.counts) > 0}
      asksReason
      act={async (reason) => {
        await post(`runs/${run.run_id}/approve`, { plan_hash: run.plan_hash ?? "", reason });
        sayDone(ASK.approve.done, "It is being applied.");
        onDecided({ text: "You approved the plan. It is being applied.", isPassing: true });
      }}
      onConflict={(problem) => onDecided({ text: problem.detail, isBad: true })}
    >
      <Text mb="3">
        Exactly the plan <Hash value={run.plan_hash ?? ""} label="the hash of the plan" /> is
        applied, and nothing else:
      </Text>
      {run.counts && <Counts counts={run.counts} isShort />}
    </Ask>
  );
}

function Discard({
  run,
  open,
  close,
  onDecided,
}: {
  run: RunDetail;
  open: boolean;
  close: () => void;
  onDecided: (notice: Answer | null) => void;
}) {
  return (
    <Ask
      open={open}
      close={close}
      title={ASK.discard.title}
      verb={ASK.discard.verb}
      asksReason
      isDanger
      act={async (reason) => {
        await post(`runs/${run.run_id}/discard`, { reason });
        sayDone(ASK.discard.done, "Nothing was changed.");
        onDecided({ text: "You discarded the plan. Nothing was changed." });
      }}
      onConflict={(problem) => onDecided({ text: problem.detail, isBad: true })}
    >
      <Text>The plan is not applied, and it can't be approved afterwards.</Text>
    </Ask>
  );
}
