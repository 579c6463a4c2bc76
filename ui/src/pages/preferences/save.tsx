/** Saving: the bar at the foot of the page, and the dialog for two people who save at once. */

import {
  Badge,
  Box,
  Button,
  chakra,
  CloseButton,
  Dialog,
  Flex,
  Grid,
  RadioCard,
  Text,
  VisuallyHidden,
} from "@chakra-ui/react";
import {
  type Dispatch,
  Fragment,
  type ReactNode,
  type SetStateAction,
  useEffect,
  useState,
} from "react";
import { inSelected, planned, selectedZone } from "../../lib/time";
import { BAD } from "../../lib/colors";
import { Framed } from "../../lib/dialogs";
import type { FieldProblem, PreferencesState } from "../../lib/openapi";
import type { Form } from "./form";
import {
  byWhom,
  type Described,
  differences,
  inWords,
  SETTINGS,
  type Settings,
  valueAt,
  withValue,
} from "./settings";

const NAMED = 3;

/**
 * Show how the draft stands.
 *
 * @param props.form As `usePreferencesForm` gives it.
 * @param props.enabled Whether the sync is on now.
 * @param props.goTo Moves the focus to a setting.
 */
export function SaveBar({
  form,
  enabled,
  goTo,
}: {
  form: Form;
  enabled: boolean | null;
  goTo: (field: string) => void;
}) {
  const isClean = form.changed.length === 0;
  const fresh = form.saved?.enabled === enabled ? form.saved : null;
  const isFresh = fresh !== null;
  const news = fresh ? savedWords(fresh) : form.news;
  return (
    <Flex
      data-save-bar=""
      position="sticky"
      bottom="-3"
      zIndex="docked"
      bg="bg"
      borderWidth="1px"
      borderColor={form.errors.length || form.problem ? "border.error" : "border.emphasized"}
      borderRadius="8px"
      boxShadow="md"
      px={{ base: "3", md: "5" }}
      py="3"
      gap="3"
      wrap={{ base: "wrap", md: "nowrap" }}
      align="center"
      justify="space-between"
      minHeight="4.5rem"
    >
      <Box flex="1 1 16rem" minWidth={0} fontSize="sm">
        <State form={form} news={news} isFresh={isFresh} goTo={goTo} />
      </Box>
      <VisuallyHidden role="status" aria-live="polite">
        {news}
      </VisuallyHidden>
      <Flex gap="2" flex="none">
        <Button
          type="button"
          variant="outline"
          disabled={isClean || form.isBusy}
          onClick={form.discard}
        >
          Discard
        </Button>
        <Button type="submit" colorPalette="brand" disabled={isClean} loading={form.isBusy}>
          Save
        </Button>
      </Flex>
    </Flex>
  );
}

function State({
  form,
  news,
  isFresh,
  goTo,
}: {
  form: Form;
  news: string;
  isFresh: boolean;
  goTo: (field: string) => void;
}) {
  if (form.errors.length) {
    return <Errors errors={form.errors} goTo={goTo} />;
  }
  if (form.problem) {
    return (
      <Text role="alert" color={BAD}>
        Not saved. {form.problem.detail ?? form.problem.message}
      </Text>
    );
  }
  if (form.moved) {
    return <Moved form={form} moved={form.moved} />;
  }
  if (form.changed.length) {
    return <Changes changed={form.changed} />;
  }
  return (
    <Text color={isFresh ? "fg.success" : "fg.muted"}>
      {news || `Saved by ${byWhom(form.base.saved_by)} on ${inSelected(form.base.saved_at)}.`}
    </Text>
  );
}

function Changes({ changed }: { changed: Described[] }) {
  const names = changed.slice(0, NAMED).map(({ label }) => label);
  const more = changed.length - names.length;
  return (
    <Box>
      <Text fontWeight="bold">
        {changed.length === 1 ? "1 change is not saved" : `${changed.length} changes are not saved`}
      </Text>
      <Text color="fg.muted">
        {names.join(" · ")}
        {more > 0 && ` · and ${more} more`}
      </Text>
    </Box>
  );
}

function Moved({ form, moved }: { form: Form; moved: PreferencesState }) {
  return (
    <Box role="alert">
      <Text fontWeight="bold">{`${byWhom(moved.saved_by)} saved other preferences meanwhile.`}</Text>
      <Text color="fg.muted">
        Your changes are still here.{" "}
        <InText onClick={() => form.showConflict(moved)}>Compare both</InText>
      </Text>
    </Box>
  );
}

function Errors({ errors, goTo }: { errors: FieldProblem[]; goTo: (field: string) => void }) {
  return (
    <Box role="alert" color={BAD}>
      <Text fontWeight="bold">
        {errors.length === 1
          ? "Not saved: one setting cannot be used"
          : `Not saved: ${errors.length} settings cannot be used`}
      </Text>
      <Flex columnGap="3" wrap="wrap">
        {errors.map(({ field }) => (
          <InText key={field} onClick={() => goTo(field)}>
            {labelOf(field)}
          </InText>
        ))}
      </Flex>
    </Box>
  );
}

/** A button that reads as a link within a sentence. */
function InText({ onClick, children }: { onClick: () => void; children: ReactNode }) {
  return (
    <chakra.button
      type="button"
      textDecoration="underline"
      cursor="pointer"
      color="inherit"
      onClick={onClick}
    >
      {children}
    </chakra.button>
  );
}

function labelOf(field: string) {
  return (
    SETTINGS.find(({ path }) => field === path || field.startsWith(`${path}.`))?.label ?? field
  );
}

function savedWords({ enabled, upcoming, settings }: PreferencesState) {
  const next = upcoming.find(({ skipped_because: pause }) => !pause);
  if (!enabled) {
    return "Saved. The sync is off, so no scheduled sync runs.";
  }
  return next
    ? `Saved. Next sync: ${planned(next.at, selectedZone(), settings.time_zone)}.`
    : "Saved. The pauses leave no day for a sync.";
}

/** What was chosen for each setting, by its path. */
type Choices = Record<string, string | null>;

/** A setting that two people want to be different. */
interface Difference {
  path: string;
  label: string;
  by: "both" | "yours" | "theirs";
  preset: string | null;
  theirs: string;
  yours: string;
}

/**
 * Show what somebody else saved beside what is being saved, and save what is chosen.
 *
 * @param props.form As `usePreferencesForm` gives it; open while it has a conflict.
 */
export function Conflict({ form }: { form: Form }) {
  const theirs = form.conflict;
  const [choices, setChoices] = useState<Choices>({});
  useEffect(() => setChoices({}), [theirs?.version]);
  const close = () => form.showConflict(null);
  return (
    <Framed
      open={theirs !== null}
      size="lg"
      scrollBehavior="inside"
      closeOnInteractOutside={false}
      onOpenChange={(event) => !event.open && !form.isBusy && close()}
    >
      {theirs && (
        <Compared
          form={form}
          theirs={theirs}
          choices={choices}
          setChoices={setChoices}
          close={close}
        />
      )}
      <Dialog.CloseTrigger asChild>
        <CloseButton size="sm" aria-label="Close" disabled={form.isBusy} />
      </Dialog.CloseTrigger>
    </Framed>
  );
}

function Compared({
  form,
  theirs,
  choices,
  setChoices,
  close,
}: {
  form: Form;
  theirs: PreferencesState;
  choices: Choices;
  setChoices: Dispatch<SetStateAction<Choices>>;
  close: () => void;
}) {
  const rows = compared(form.base.settings, theirs.settings, form.settings);
  const chosen = (row: Difference) => choices[row.path] ?? row.preset;
  const open = rows.filter((row) => !chosen(row)).length;
  const save = () => {
    let settings = theirs.settings;
    for (const row of rows) {
      if (chosen(row) === "yours") {
        settings = withValue(settings, row.path, valueAt(form.settings, row.path));
      }
    }
    form.send(settings, theirs.version);
  };
  return (
    <Fragment>
      <Dialog.Header>
        <Dialog.Title>Somebody else saved too</Dialog.Title>
      </Dialog.Header>
      <Dialog.Body>
        <Text mb="4">
          {`${byWhom(theirs.saved_by)} saved these preferences on ${inSelected(theirs.saved_at)}, while you were changing them. `}
          {rows.length
            ? "Choose which values to keep. Nothing is saved until you press Save again."
            : "Both are the same. There is nothing to choose."}
        </Text>
        <Grid gap="5">
          {rows.map((row) => (
            <Row
              key={row.path}
              row={row}
              who={byWhom(theirs.saved_by)}
              value={chosen(row) ?? null}
              onChange={(value) => setChoices((old) => ({ ...old, [row.path]: value }))}
            />
          ))}
        </Grid>
      </Dialog.Body>
      <Dialog.Footer flexWrap="wrap">
        <Text role="status" color="fg.muted" fontSize="sm" flex="1 1 8rem">
          {stillOpen(open)}
        </Text>
        <Button variant="outline" disabled={form.isBusy} onClick={close}>
          Back to editing
        </Button>
        <Button colorPalette="brand" disabled={open > 0} loading={form.isBusy} onClick={save}>
          Save again
        </Button>
      </Dialog.Footer>
    </Fragment>
  );
}

function stillOpen(count: number) {
  if (count === 0) {
    return "";
  }
  return count === 1 ? "One setting is still to choose." : `${count} settings are still to choose.`;
}

function changedBy(by: Difference["by"], who: string) {
  return (
    { both: "You both changed it", yours: "Only you changed it", theirs: undefined }[by] ??
    `Only ${who} changed it`
  );
}

function Row({
  row,
  who,
  value,
  onChange,
}: {
  row: Difference;
  who: string;
  value: string | null;
  onChange: (value: string | null) => void;
}) {
  return (
    <RadioCard.Root
      value={value}
      onValueChange={(details) => onChange(details.value)}
      colorPalette="brand"
      size="sm"
      gap="0"
    >
      <RadioCard.Label mb="1" width="100%">
        <Flex gap="2" align="center">
          <Text as="span" fontWeight="bold">
            {row.label}
          </Text>
          <Badge size="sm" variant="subtle" colorPalette={row.preset ? "gray" : "warning"}>
            {changedBy(row.by, who)}
          </Badge>
        </Flex>
      </RadioCard.Label>
      <Grid gap="2" templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}>
        <Side value="theirs" title={who} words={row.theirs} />
        <Side value="yours" title="You" words={row.yours} />
      </Grid>
    </RadioCard.Root>
  );
}

function Side({ value, title, words }: { value: string; title: string; words: string }) {
  return (
    <RadioCard.Item value={value}>
      <RadioCard.ItemHiddenInput />
      <RadioCard.ItemControl>
        <RadioCard.ItemContent>
          <RadioCard.ItemDescription color="fg.muted" opacity={1}>
            {title}
          </RadioCard.ItemDescription>
          <RadioCard.ItemText overflowWrap="anywhere">{words}</RadioCard.ItemText>
        </RadioCard.ItemContent>
        <RadioCard.ItemIndicator />
      </RadioCard.ItemControl>
    </RadioCard.Item>
  );
}

/** Every setting in which both differ; where one person only changed it, theirs is preset. */
function compared(base: Settings, theirs: Settings, yours: Settings): Difference[] {
  const byThem = new Set(differences(base, theirs).map(({ path }) => path));
  const byYou = new Set(differences(base, yours).map(({ path }) => path));
  return differences(theirs, yours).map(({ path, label }) => {
    const by = byYou.has(path) ? (byThem.has(path) ? "both" : "yours") : "theirs";
    return {
      path,
      label,
      by,
      preset: by === "both" ? null : by,
      theirs: inWords(path, valueAt(theirs, path)),
      yours: inWords(path, valueAt(yours, path)),
    };
  });
}
