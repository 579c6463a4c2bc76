/** The panel of a held run: why it waits, what each reason means, and the decision. */

import { Box, Button, Flex, Grid, Heading, Link as Anchor, Text } from "@chakra-ui/react";
import { type ReactNode, useState } from "react";
import { Link } from "react-router-dom";
import { post } from "../../lib/api";
import type { Hold, RunDetail } from "../../lib/openapi";
import { type May, Time } from "../../lib/ui";
import { inTime, number } from "../../lib/words";
import { Ask } from "./ask";
import type { Told } from "./index";
import { Rows } from "./lists";
import { addressOf, Counts, Hash } from "./overview";
import { Schools } from "./story";

/** The task that asks for the decision in Airflow. */
const QUESTION = "review_decision";

/**
 * Show why a run waits for a person, and let an administrator decide.
 *
 * @param props.onDecided Gets what happened: `text`, and whether it `isBad` or
 *   `isPassing`, true only until the plan has been applied.
 */
export function Hold({
  run,
  may,
  onDecided,
}: {
  run: RunDetail;
  may: May;
  onDecided: (notice: Told | null) => void;
}) {
  const [asked, setAsked] = useState<string | null>(null);
  const close = () => setAsked(null);
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
      <Schools schools={run.schools} />
      <Grid
        templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}
        gap="4"
        mt="4"
      >
        <Meaning title="Approve">
          Applies exactly this plan, all of it or nothing. If the roster has changed since the plan
          was made, nothing is applied and the run is marked superseded.
        </Meaning>
        <Meaning title="Discard">
          Applies nothing. The roster stays as it is, and the next run makes a plan of its own.
        </Meaning>
      </Grid>
      <Flex mt="4" gap="2" wrap="wrap" align="center">
        {run.can.approve && (
          <Button colorPalette="brand" size="sm" onClick={() => setAsked("approve")}>
            Approve…
          </Button>
        )}
        {run.can.discard && (
          <Button variant="outline" size="sm" onClick={() => setAsked("discard")}>
            Discard…
          </Button>
        )}
        {!run.can.approve && !run.can.discard && <WhoDecides may={may} />}
      </Flex>
      <Until run={run} may={may} />
      <Approve run={run} open={asked === "approve"} close={close} onDecided={onDecided} />
      <Discard run={run} open={asked === "discard"} close={close} onDecided={onDecided} />
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
      <Text fontWeight="semibold">{holdInWords(hold)}</Text>
      <Text color="fg.muted" fontSize="sm">
        {adviceOn(hold)}
      </Text>
    </Box>
  );
}

function Meaning({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Box>
      <Text fontWeight="semibold" fontSize="sm">
        {title}
      </Text>
      <Text fontSize="sm" color="fg.muted">
        {children}
      </Text>
    </Box>
  );
}

function WhoDecides({ may }: { may: May }) {
  return (
    <Text fontSize="sm">
      {may.administer
        ? "It can't be decided about right now. Reload this page."
        : "Administrators decide. Send one of them the address of this page."}
    </Text>
  );
}

/** How long it waits, and where else it can be decided. */
function Until({ run, may }: { run: RunDetail; may: May }) {
  const asks = run.dag_run?.stages.some(({ state }) => state === "awaiting_input");
  return (
    <Box mt="3" fontSize="sm" color="fg.muted">
      {run.expires_at && (
        <Text>
          Expires <Time at={run.expires_at} seconds={false} />
          {`, ${inTime(run.expires_at)} (then discarded).`}
        </Text>
      )}
      {run.dag_run && asks && may.administer && (
        <Text>
          Airflow asks for the decision too:{" "}
          <Anchor asChild color="fg.info">
            <Link to={`${addressOf(run.dag_run)}/tasks/${QUESTION}/required_actions`}>
              Required Actions
            </Link>
          </Anchor>
          .
        </Text>
      )}
    </Box>
  );
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
  onDecided: (notice: Told | null) => void;
}) {
  return (
    <Ask
      open={open}
      close={close}
      title="Approve this plan?"
      verb="Approve and apply"
      asksReason
      act={async (reason) => {
        await post(`runs/${run.run_id}/approve`, { plan_hash: run.plan_hash ?? "", reason });
        onDecided({ text: "You approved the plan. It is being applied.", isPassing: true });
      }}
      onConflict={(problem) => onDecided({ text: problem.detail, isBad: true })}
    >
      <Text mb="3">
        Exactly the plan <Hash value={run.plan_hash ?? ""} label="the hash of the plan" /> is
        applied, and nothing else:
      </Text>
      {run.counts && <Counts counts={run.counts} />}
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
  onDecided: (notice: Told | null) => void;
}) {
  return (
    <Ask
      open={open}
      close={close}
      title="Discard this plan?"
      verb="Discard"
      asksReason
      isDanger
      act={async (reason) => {
        await post(`runs/${run.run_id}/discard`, { reason });
        onDecided({ text: "You discarded the plan. Nothing was changed." });
      }}
      onConflict={(problem) => onDecided({ text: problem.detail, isBad: true })}
    >
      <Text>Nothing of it is applied, and it can't be approved afterwards.</Text>
    </Ask>
  );
}

const KINDS: Record<string, string> = {
  users: "users",
  courses: "courses",
  assignments: "course assignments",
};

const REASONS: Record<string, (hold: Hold) => string> = {
  "guard.removals": ({ found, of, kind }) =>
    `${numbers(found, of)} managed ${nameOf(kind)} would be ${goneOf(kind)}.`,
  "guard.school_removals": ({ found, of, kind, school }) =>
    `${numbers(found, of)} ${nameOf(kind)} of ${school} would be ${goneOf(kind)}.`,
  "guard.week_removals": ({ found, of, kind, days, earlier }) =>
    `${numbers(found, of)} managed ${nameOf(kind)} within ${days} days: ${number(earlier)} were ${goneOf(kind)} by earlier runs that nobody approved, ${number(found - earlier)} would be by this plan.`,
  "guard.additions": ({ found, of, days, earlier }) =>
    `${number(found)} users would be added to ${number(of)} active ones${within(days, earlier)}.`,
  "guard.reactivations": ({ found, of, days, earlier }) =>
    `${number(found)} users would be reactivated beside ${number(of)} active ones${within(days, earlier)}.`,
  "guard.blank_enabled_user": ({ found }) =>
    `${number(found)} accounts that enabledUser=false had disabled would come back because the column is blank or missing.`,
  "guard.not_primary": ({ found, of }) =>
    `${numbers(found, of)} managed users would be deactivated because none of their primary roles is a staff role.`,
  "guard.role_changes": ({ found, of }) =>
    `${numbers(found, of)} managed users would get another role.`,
  "guard.moved_terms": ({ found, of }) =>
    `${numbers(found, of)} course assignments hang from terms that would end more than 14 days earlier.`,
  "guard.updates": ({ found, of, kind }) =>
    `${numbers(found, of)} managed ${nameOf(kind)} would be updated.`,
  "guard.error_rate": ({ found, of, kind }) => `${numbers(found, of)} rows of ${kind} have errors.`,
  "guard.empty_file": ({ kind }) => `${kind} has no rows: everything of its kind would be removed.`,
  "guard.identity_shift": ({ found, of, kind }) =>
    `${numbers(found, of)} ${nameOf(kind)} come under another sourcedId. Approved, they stay the same ${nameOf(kind)}.`,
  "guard.wrong_source": ({ found, of, kind }) =>
    kind === "delta"
      ? `Only ${number(found)} of the ${number(of)} rows of the delta name or point to anything that is known.`
      : `Only ${number(found)} of the ${number(of)} known ${nameOf(kind)} are in the package.`,
  "guard.other_year": () => "The package is of another school year.",
  "guard.look_alikes": ({ found, of }) =>
    `${numbers(found, of)} accounts made by hand look like people of the package, who would get a second account each.`,
};

const ADVICE: Record<string, string> = {
  "guard.removals": "Is the export complete, and are these people and courses really gone?",
  "guard.school_removals": "Is this school missing from the export?",
  "guard.week_removals":
    "Each of these runs was within the limits. Ask the SIS team whether so many people and courses really left.",
  "guard.additions":
    "Is the package of this district, and are these people not there already under other sourcedIds?",
  "guard.reactivations":
    "Should these people be able to log in again? Who was merely absent from a file is not counted.",
  "guard.blank_enabled_user":
    "Export enabledUser with true or false. Approved, these people can log in again.",
  "guard.not_primary":
    "Check roleType in roles.csv. A student who assists has a secondary staff role. If you approve, such accounts are deactivated.",
  "guard.role_changes":
    "A role that is mapped wrongly looks like this. The tab Changes shows each old and new role.",
  "guard.moved_terms":
    "Check the end dates of academicSessions.csv: what hangs from a term that is over ends without being counted.",
  "guard.updates":
    "A column that moved, or the export of another source, looks like this. The tab Changes shows what would change.",
  "guard.error_rate": "The tab Findings says what to fix in the SIS.",
  "guard.empty_file": "An export that was cut off looks like this. Export the file again.",
  "guard.identity_shift":
    "Ask the SIS team whether the sourcedIds changed. The tab Changes shows each old and new one.",
  "guard.wrong_source": "Check that the package is of this district and of this year.",
  "guard.look_alikes":
    "The tab Accounts shows who is like whom. To link them, download its list, discard this plan, delete the lines that are wrong, upload the rest as links.csv and sync again.",
  "guard.other_year": "Export this year's package, or approve the plan if that year has begun.",
};

/** Say what a guard found, in one sentence. */
export function holdInWords(hold: Hold) {
  return REASONS[hold.code]?.(hold) ?? hold.text;
}

/** Say what to think of when a guard holds a plan. */
export function adviceOn({ code }: Hold) {
  return ADVICE[code];
}

/** Return what a kind of record is called among many. */
export function nameOf(kind: string) {
  return KINDS[kind] ?? kind;
}

function numbers(found: number, of: number) {
  return `${number(found)} of ${number(of)}`;
}

function within(days: number | null | undefined, earlier: number) {
  return days ? ` within ${days} days, ${number(earlier)} of them by earlier runs` : "";
}

function goneOf(kind: string) {
  return kind === "users" ? "deactivated" : "removed";
}
