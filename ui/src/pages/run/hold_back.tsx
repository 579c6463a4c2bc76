/** Approve and hold back: some removals stay for a decision of their own, the rest is applied. */

import { Box, Checkbox, Grid, Text } from "@chakra-ui/react";
import { useEffect, useState } from "react";
import { post, useApi } from "../../lib/api";
import type { PlanPart, RunDetail } from "../../lib/openapi";
import { Failure, Loading } from "../../lib/ui";
import { sayDone } from "../../lib/toasts";
import { counted } from "../../lib/words";
import { Ask } from "./ask";
import { consequenceOf, removalsOf } from "./consequence";
import type { Answer } from "./index";
import { useSettled } from "./lists";
import { Counts, Hash } from "./overview";
import { type Kind, KINDS, PLURALS, REMOVALS } from "../../words/records";

const PARTS = KINDS.map(([kind]): [Kind, string, string] => {
  const { count } = REMOVALS[kind];
  return [kind, count, `All ${count} ${PLURALS[kind]}`];
});

/** Ask whose removals stay back, show both plans, and approve the first by its hash. */
export function HoldBack({
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
  const [schools, setSchools] = useState<string[]>([]);
  const [kinds, setKinds] = useState<Kind[]>([]);
  useEffect(() => {
    if (open) {
      setSchools([]);
      setKinds([]);
    }
  }, [open]);
  const wanted = JSON.stringify({ school: schools, kind: kinds });
  const settled = useSettled(wanted);
  const isAsked = open && schools.length + kinds.length > 0 && settled === wanted;
  const path = isAsked ? (`runs/${run.run_id}/hold-back` as const) : null;
  const { data, problem, loading, reload } = useApi(path, { params: JSON.parse(settled) });
  const ready = isAsked && !loading && !problem && data ? data : null;
  const losing = run.schools.filter(
    ({ users, courses, assignments }) => users.gone + courses.gone + assignments.gone > 0,
  );
  return (
    <Ask
      open={open}
      close={close}
      title="Approve and hold back"
      verb={ready ? `Approve: ${consequenceOf(ready.first.counts)}` : "Approve"}
      asksReason
      isDanger={ready !== null && removalsOf(ready.first.counts) > 0}
      disabled={ready === null}
      act={async (reason) => {
        await post(`runs/${run.run_id}/approve`, {
          plan_hash: ready?.first.plan_hash ?? "",
          reason,
          held_back: { schools, kinds },
        });
        sayDone("Part of the plan approved", "The rest is held for another decision.");
        const text = "You approved a part of the plan. The rest waits for a decision of its own.";
        onDecided({ text, isPassing: true });
      }}
      onConflict={(refused) => onDecided({ text: refused.detail, isBad: true })}
    >
      <Text mb="3" fontSize="sm">
        Tick whose removals stay back. The rest is applied now. What stays back becomes a run of its
        own, held for another decision. Somebody of several schools stays if one of them is ticked.
      </Text>
      <Box role="group" aria-label="Hold back" mb="3">
        {PARTS.map(([kind, word, label]) => {
          const count = run.counts?.[kind]?.[word] ?? 0;
          return count > 0 ? (
            <Tick
              key={kind}
              label={`${label} (${count})`}
              checked={kinds.includes(kind)}
              onChange={(isOn) => setKinds(toggled(kinds, kind, isOn))}
            />
          ) : null;
        })}
        {losing.map(({ school, name, users, courses, assignments }) => (
          <Tick
            key={school}
            label={`${name}: ${[
              users.gone && counted(users.gone, "user"),
              courses.gone && counted(courses.gone, "course"),
              assignments.gone && counted(assignments.gone, "assignment"),
            ]
              .filter(Boolean)
              .join(", ")}`}
            checked={schools.includes(school)}
            onChange={(isOn) => setSchools(toggled(schools, school, isOn))}
          />
        ))}
      </Box>
      <Box minHeight="8rem" role="status">
        {schools.length + kinds.length === 0 && (
          <Text color="fg.muted" fontSize="sm">
            Nothing is ticked yet.
          </Text>
        )}
        {problem && isAsked && !loading && <Failure problem={problem} retry={reload} />}
        {schools.length + kinds.length > 0 && !ready && !(problem && isAsked && !loading) && (
          <Loading height="8rem" />
        )}
        {ready && (
          <Grid gap="4" templateColumns="minmax(0, 1fr)">
            <Part title="Applied now" part={ready.first} />
            <Part title="Held back for another decision" part={ready.rest} />
          </Grid>
        )}
      </Box>
    </Ask>
  );
}

function Tick({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (isOn: boolean) => void;
}) {
  return (
    <Checkbox.Root
      display="flex"
      my="1"
      size="sm"
      colorPalette="brand"
      checked={checked}
      onCheckedChange={(details) => onChange(details.checked === true)}
    >
      <Checkbox.HiddenInput />
      <Checkbox.Control />
      <Checkbox.Label>{label}</Checkbox.Label>
    </Checkbox.Root>
  );
}

function Part({ title, part }: { title: string; part: PlanPart }) {
  return (
    <Box as="section" aria-label={title}>
      <Text fontWeight="semibold" fontSize="sm">
        {title} <Hash value={part.plan_hash} label={`the hash of: ${title}`} />
      </Text>
      <Counts counts={part.counts} isShort />
    </Box>
  );
}

function toggled<T>(list: T[], one: T, isOn: boolean) {
  return isOn ? [...list, one] : list.filter((other) => other !== one);
}
