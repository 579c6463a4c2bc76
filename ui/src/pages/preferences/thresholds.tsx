/** Safety limits: from how many records on a plan is held for a person's decision. */

import { Flex, Grid, Text } from "@chakra-ui/react";
import { type ReactNode, useEffect, useState } from "react";
import { post } from "../../lib/api";
import { Disclosure } from "../../lib/dialogs";
import type { Guards, ThresholdExamples } from "../../lib/openapi";
import { Labelled, NumberBox, Section, Setting, Tick, useForm } from "./fields";
import { isWithin, problemsIn } from "./form";
import { fewestKnown, heldFrom, manyErrors } from "./held";
import { Raised } from "./raised_threshold";
import type { SectionOf } from "./sections";
import { type LimitName, same } from "./settings";
import { TEXTS, TICKS } from "./texts";

/** The section about limits. */
export function Limits({ section }: { section: SectionOf }) {
  const examples = useExamples();
  return (
    <Section section={section}>
      <LimitRow kind="users" noun="users" examples={examples} />
      <LimitRow kind="courses" noun="courses" examples={examples} />
      <LimitRow kind="assignments" noun="assignments" examples={examples} />
      <Raised />
      <RemovalsWait />
      <NumberRow path="guards.error_percent" unit="%" help={manyErrors(examples)} />
      <NumberRow path="guards.known_percent" unit="%" help={fewestKnown(examples)} />
      <NumberRow path="approval_hours" unit="hours" />
    </Section>
  );
}

const TYPING_MS = 300;

/** Ask what the limits come to as they are typed; what cannot be used is not asked. */
function useExamples() {
  const { settings, base, site } = useForm();
  const limits = { ...settings.guards, raised: null };
  const asked = JSON.stringify(limits);
  const isWrong = problemsIn(settings, base.settings).some(({ field }) =>
    field.startsWith("guards"),
  );
  const [answer, setAnswer] = useState<{ asked: string; examples: ThresholdExamples } | null>(null);
  useEffect(() => {
    if (isWrong) {
      return undefined;
    }
    const control = new AbortController();
    const ask = async () => {
      const guards: Guards = JSON.parse(asked);
      const path = `sites/${site}/preferences/thresholds` as const;
      try {
        setAnswer({ asked, examples: await post(path, guards, control.signal) });
      } catch {
        // The numbers can be edited and saved without what they come to.
      }
    };
    const isTyped = !same(limits, { ...base.settings.guards, raised: null });
    const timer = setTimeout(ask, isTyped ? TYPING_MS : 0);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
    // `limits` is new each time and is in `asked` by its values.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [site, asked, isWrong]);
  return !isWrong && answer?.asked === asked ? answer.examples : null;
}

type Examples = ThresholdExamples | null;

/** A limit with its three numbers. */
function LimitRow({ kind, noun, examples }: { kind: LimitName; noun: string; examples: Examples }) {
  const path = `guards.${kind}`;
  return (
    <Setting path={path} group help={heldFrom(examples?.guards[kind], noun, examples?.is_example)}>
      {() => (
        <Flex gap="2" align="flex-end" wrap="wrap">
          <Part path={`${path}.percent`} label="Percent" unit="%" />
          <Between>and</Between>
          <Part path={`${path}.minimum`} label="At least" />
          <Flex gap="2" align="flex-end">
            <Between>or</Between>
            <Part path={`${path}.cap`} label="More than" placeholder="no cap" />
          </Flex>
        </Flex>
      )}
    </Setting>
  );
}

/** A setting that is one number. */
export function NumberRow({
  path,
  unit,
  placeholder,
  help,
}: {
  path: string;
  unit: string;
  placeholder?: string;
  help?: string;
}) {
  return (
    <Setting path={path} help={help}>
      {(control) => <NumberBox {...control} path={path} unit={unit} placeholder={placeholder} />}
    </Setting>
  );
}

/** A number of a setting, with a small label of its own. */
export function Part({
  path,
  label,
  unit,
  placeholder,
}: {
  path: string;
  label: string;
  unit?: string;
  placeholder?: string;
}) {
  const { errors } = useForm();
  const isWrong = errors.some(({ field }) => field === path);
  return (
    <Labelled label={label} data-setting={path}>
      <NumberBox
        path={path}
        unit={unit}
        placeholder={placeholder}
        aria-invalid={isWrong ? true : undefined}
      />
    </Labelled>
  );
}

function Between({ children }: { children: ReactNode }) {
  return (
    <Text as="span" color="fg.muted" pb="1.5" fontSize="sm">
      {children}
    </Text>
  );
}

function RemovalsWait() {
  const { draft, change } = useForm();
  return (
    <Setting path="guards.removals_wait" group help={null}>
      {() => (
        <Tick
          checked={draft.guards.removals_wait}
          label={TICKS["guards.removals_wait"]}
          help={TEXTS["guards.removals_wait"].help}
          onChange={(isOn) => change("guards.removals_wait", isOn)}
        />
      )}
    </Setting>
  );
}

const MORE: { kind: LimitName; noun: string }[] = [
  { kind: "school", noun: "records" },
  { kind: "week", noun: "users" },
  { kind: "added_users", noun: "users" },
  { kind: "reactivated_users", noun: "users" },
  { kind: "changed_roles", noun: "users" },
  { kind: "moved_terms", noun: "assignments" },
  { kind: "updated_users", noun: "users" },
  { kind: "updated_courses", noun: "courses" },
  { kind: "sourced_ids", noun: "users" },
];

/** The limits for schools, for a week, for what comes and changes; open while one can't be used. */
export function MoreLimits() {
  const { errors } = useForm();
  const [isOpen, setIsOpen] = useState(false);
  const isWrong = errors.some(({ field }) =>
    MORE.some(({ kind }) => isWithin(field, `guards.${kind}`)),
  );
  if (isWrong && !isOpen) {
    setIsOpen(true);
  }
  return (
    <Disclosure
      label="More limits: schools, a week, additions, updates, sourcedIds"
      isOpen={isOpen}
      onToggle={setIsOpen}
    >
      {isOpen && <MoreRows />}
    </Disclosure>
  );
}

function MoreRows() {
  const examples = useExamples();
  return (
    <Grid
      columnGap="8"
      rowGap="5"
      templateColumns={{ base: "minmax(0, 1fr)", xl: "repeat(2, minmax(0, 1fr))" }}
    >
      {MORE.map(({ kind, noun }) => (
        <LimitRow key={kind} kind={kind} noun={noun} examples={examples} />
      ))}
    </Grid>
  );
}
