/** What the groups of settings are made of: sections, settings, choices and boxes. */

import {
  Box,
  type BoxProps,
  Checkbox,
  Flex,
  Grid,
  Heading,
  Input,
  InputGroup,
  NativeSelect,
  RadioCard,
  Text,
  Textarea,
} from "@chakra-ui/react";
import { createContext, type ReactNode, useContext, useId } from "react";
import { BAD } from "../../lib/colors";
import { GuideLink } from "../../lib/guide";
import type { PreferencesState } from "../../lib/openapi";
import { type ControlProps, Field, type FieldProps } from "../../lib/ui";
import { errorAt, type Form } from "./form";
import type { SectionOf } from "./sections";
import { valueAt } from "./settings";
import { type Choice as ChoiceText, CHOICES, TEXTS } from "./texts";

/** The form of a page, with what it is about. */
export interface FormContext extends Form {
  latest: PreferencesState;
}

const Context = createContext<FormContext | null>(null);

/** Gives the form to the settings inside: see `usePreferencesForm`. */
export const FormProvider = Context.Provider;

/** Return the form that a setting belongs to. */
export function useForm(): FormContext {
  const form = useContext(Context);
  if (form === null) {
    throw new Error("A setting must be in a FormProvider");
  }
  return form;
}

/** How a control looks that cannot be changed. */
export const READABLE = { _disabled: { opacity: 1, cursor: "default" } };

/** A section: what it is about, the way to its page of the guide, and its settings. */
export function Section({
  section: { label, hint, guide },
  aside = null,
  children,
}: {
  section: SectionOf;
  /** What stands beside the settings where there is room. */
  aside?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Box as="section" aria-labelledby={id} minWidth="0" flex="1 1 0">
      <Flex align="center" gap="2" mb="1">
        <Heading as="h2" size="md" id={id}>
          {label}
        </Heading>
        <GuideLink page={guide} about={label} />
      </Flex>
      <Text color="fg.muted" fontSize="sm" mb="4">
        {hint}
      </Text>
      <Grid
        gap="6"
        alignItems="start"
        templateColumns={{
          base: "minmax(0, 1fr)",
          xl: aside ? "minmax(0, 1fr) 27rem" : "minmax(0, 1fr)",
        }}
      >
        <Grid gap="5" templateColumns="minmax(0, 1fr)">
          {children}
        </Grid>
        {aside}
      </Grid>
    </Box>
  );
}

/**
 * One setting, with its error beside it; its words are those of its path.
 *
 * @param props.path Where it stands in the settings.
 * @param props.help In place of the help of its path; null for none.
 * @param props.hasRows Whether its rows show their own errors.
 */
export function Setting({
  path,
  help,
  hasRows = false,
  children,
  ...field
}: { path: string; help?: ReactNode; hasRows?: boolean } & Omit<
  FieldProps,
  "error" | "label" | "help"
>) {
  const { errors } = useForm();
  const own = errors.find((error) => error.field === path)?.message;
  const text = TEXTS[path];
  return (
    <Box data-setting={path} maxWidth="48rem">
      <Field
        {...field}
        label={text.label}
        help={help === undefined ? text.help : help}
        error={hasRows ? own : errorAt(errors, path)}
      >
        {children}
      </Field>
    </Box>
  );
}

/** A setting that is one of a few, each with what it means. */
export function Choices({ path }: { path: string }) {
  const { draft, change, errors } = useForm();
  const id = useId();
  const { label, help } = TEXTS[path];
  const error = errorAt(errors, path);
  return (
    <Box data-setting={path} maxWidth="48rem">
      <RadioCard.Root
        value={valueAt(draft, path)}
        onValueChange={(details) => change(path, details.value)}
        colorPalette="brand"
        size="sm"
        gap="0"
        aria-describedby={id}
      >
        <RadioCard.Label fontWeight="bold" fontSize="md" mb="1">
          {label}
        </RadioCard.Label>
        <Grid gap="2" templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}>
          {CHOICES[path].map((choice) => (
            <Choice key={choice.value} choice={choice} />
          ))}
        </Grid>
      </RadioCard.Root>
      {error && (
        <Text color={BAD} fontSize="sm" mt="1">
          {error}
        </Text>
      )}
      <Text id={id} color="fg.muted" fontSize="sm" mt="1">
        {help}
      </Text>
    </Box>
  );
}

/** A setting that is one of a few, in a list that opens. */
export function Select({ path }: { path: string }) {
  const { draft, change } = useForm();
  return (
    <Setting path={path}>
      {(control) => (
        <NativeSelect.Root size="sm" maxWidth="20rem">
          <NativeSelect.Field
            {...control}
            value={valueAt(draft, path)}
            onChange={(event) => change(path, event.target.value)}
          >
            {CHOICES[path].map(({ value, label, meaning }) => (
              <option key={value} value={value} title={meaning}>
                {label}
              </option>
            ))}
          </NativeSelect.Field>
          <NativeSelect.Indicator />
        </NativeSelect.Root>
      )}
    </Setting>
  );
}

function Choice({ choice }: { choice: ChoiceText }) {
  return (
    <RadioCard.Item value={choice.value}>
      <RadioCard.ItemHiddenInput />
      <RadioCard.ItemControl>
        <RadioCard.ItemContent>
          <RadioCard.ItemText>{choice.label}</RadioCard.ItemText>
          <RadioCard.ItemDescription color="fg.muted" opacity={1}>
            {choice.meaning}
          </RadioCard.ItemDescription>
        </RadioCard.ItemContent>
        <RadioCard.ItemIndicator />
      </RadioCard.ItemControl>
    </RadioCard.Item>
  );
}

/** Something to tick, with what it means below. */
export function Tick({
  checked,
  onChange,
  disabled = false,
  label,
  help,
}: {
  checked: boolean;
  onChange?: (isOn: boolean) => void;
  disabled?: boolean;
  label: string;
  help?: string;
}) {
  const id = useId();
  return (
    <Box>
      <Checkbox.Root
        checked={checked}
        disabled={disabled}
        colorPalette="brand"
        onCheckedChange={(details) => onChange?.(details.checked === true)}
      >
        <Checkbox.HiddenInput aria-describedby={help ? id : undefined} />
        <Checkbox.Control {...READABLE} />
        <Checkbox.Label {...READABLE}>{label}</Checkbox.Label>
      </Checkbox.Root>
      {help && (
        <Text id={id} color="fg.muted" fontSize="sm" ps="7">
          {help}
        </Text>
      )}
    </Box>
  );
}

/** A number in a small box, with its unit. */
export function NumberBox({
  path,
  unit,
  placeholder,
  ...control
}: { path: string; unit?: string; placeholder?: string } & Partial<ControlProps>) {
  const { draft, change } = useForm();
  const box = (
    <Input
      {...control}
      size="sm"
      inputMode={unit ? "decimal" : "numeric"}
      autoComplete="off"
      placeholder={placeholder}
      value={String(valueAt(draft, path) ?? "")}
      onChange={(event) => change(path, event.target.value)}
    />
  );
  return (
    <Box width={{ base: "6rem", md: "7rem" }}>
      {unit ? <InputGroup endElement={unit}>{box}</InputGroup> : box}
    </Box>
  );
}

/**
 * A control of a setting that has several, with a small label of its own.
 *
 * @param props.grow Whether it takes the room that there is.
 */
export function Labelled({
  label,
  grow = false,
  children,
  ...rest
}: { label: string; grow?: boolean; children: ReactNode } & BoxProps) {
  return (
    <Box as="label" display="block" flex={grow ? "1 1 10rem" : "none"} minWidth="0" {...rest}>
      <Text as="span" display="block" fontSize="xs" color="fg.muted">
        {label}
      </Text>
      {children}
    </Box>
  );
}

const FEWEST_LINES = 2;

const MOST_LINES = 8;

/** A day, which may be left empty. */
export function DayBox({ path, ...control }: { path: string } & Partial<ControlProps>) {
  const { draft, change } = useForm();
  return (
    <Input
      {...control}
      type="date"
      size="sm"
      width="10rem"
      min="2000-01-01"
      max="2999-12-31"
      value={valueAt(draft, path) ?? ""}
      onChange={(event) => change(path, event.target.value)}
    />
  );
}

/** Names, one on each line. */
export function LinesBox({
  path,
  ...control
}: { path: string; placeholder: string } & ControlProps) {
  const { draft, change } = useForm();
  const lines: string[] = valueAt(draft, path);
  return (
    <Textarea
      {...control}
      size="sm"
      rows={Math.min(MOST_LINES, Math.max(FEWEST_LINES, lines.length + 1))}
      maxWidth="30rem"
      resize="vertical"
      fontFamily="mono"
      autoComplete="off"
      spellCheck={false}
      value={lines.join("\n")}
      onChange={(event) => change(path, event.target.value.split("\n"))}
    />
  );
}
