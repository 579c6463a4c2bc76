/** What the groups of settings are made of: sections, settings, choices and boxes. */

import {
  Box,
  type BoxProps,
  Checkbox,
  Grid,
  Heading,
  Input,
  InputGroup,
  RadioCard,
  Text,
  Textarea,
} from "@chakra-ui/react";
import { createContext, type ReactNode, useContext, useId } from "react";
import type { PreferencesState } from "../../lib/openapi";
import { type ControlProps, Field, type FieldProps } from "../../lib/ui";
import { errorAt, type Form } from "./form";
import { valueAt } from "./settings";

/** The form of a page, with what it is about. */
export interface FormContext extends Form {
  latest: PreferencesState;
  isReadOnly: boolean;
}

const Context = createContext<FormContext | null>(null);

/** Gives the form to the settings inside: see `usePreferencesForm`, and `isReadOnly`. */
export const FormProvider = Context.Provider;

/** Return the form that a setting belongs to. */
export function useForm(): FormContext {
  const form = useContext(Context);
  if (form === null) {
    throw new Error("A setting stands in a FormProvider");
  }
  return form;
}

/** How a control looks that may be read and not changed. */
export const READABLE = { _disabled: { opacity: 1, cursor: "default" } };

const READABLE_CARD = { _disabled: { opacity: 1, cursor: "default", bg: "transparent" } };

/** A group of settings: what it is about on the left, the settings on the right. */
export function Section({
  title,
  hint,
  children,
  ...rest
}: { title: string; hint: string; children: ReactNode } & BoxProps) {
  const id = useId();
  return (
    <Grid
      as="section"
      aria-labelledby={id}
      templateColumns={{ base: "minmax(0, 1fr)", lg: "16rem minmax(0, 1fr)" }}
      columnGap="8"
      rowGap="4"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="8px"
      p={{ base: "4", md: "5" }}
      mb="4"
      {...rest}
    >
      <Box>
        <Heading as="h2" size="md" id={id} mb="1">
          {title}
        </Heading>
        <Text color="fg.muted" fontSize="sm">
          {hint}
        </Text>
      </Box>
      <Grid gap="6" minWidth={0} templateColumns="minmax(0, 1fr)">
        {children}
      </Grid>
    </Grid>
  );
}

/**
 * One setting, with its error beside it.
 *
 * @param props.path Where it stands in the settings.
 */
export function Setting({
  path,
  hasRows = false,
  children,
  ...field
}: { path: string; hasRows?: boolean } & Omit<FieldProps, "error">) {
  const { errors } = useForm();
  const own = errors.find((error) => error.field === path)?.message;
  return (
    <Box data-setting={path} maxWidth="48rem">
      <Field {...field} error={hasRows ? own : errorAt(errors, path)}>
        {children}
      </Field>
    </Box>
  );
}

/** A setting that is one of a few, each with what it means. */
export function Choices({
  path,
  label,
  help,
  choices,
}: {
  path: string;
  label: string;
  help: string;
  choices: { value: string; label: string; meaning: string }[];
}) {
  const { draft, change, isReadOnly } = useForm();
  const id = useId();
  return (
    <Box data-setting={path} maxWidth="48rem">
      <RadioCard.Root
        value={valueAt(draft, path)}
        onValueChange={(details) => change(path, details.value)}
        disabled={isReadOnly}
        colorPalette="brand"
        size="sm"
        gap="0"
        aria-describedby={help ? id : undefined}
      >
        <RadioCard.Label {...READABLE} fontWeight="bold" fontSize="md" mb="1">
          {label}
        </RadioCard.Label>
        <Grid gap="2" templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}>
          {choices.map((choice) => (
            <Choice key={choice.value} choice={choice} />
          ))}
        </Grid>
      </RadioCard.Root>
      {help && (
        <Text id={id} color="fg.muted" fontSize="sm" mt="1">
          {help}
        </Text>
      )}
    </Box>
  );
}

function Choice({ choice }: { choice: { value: string; label: string; meaning: string } }) {
  return (
    <RadioCard.Item value={choice.value} {...READABLE_CARD}>
      <RadioCard.ItemHiddenInput />
      <RadioCard.ItemControl {...READABLE_CARD}>
        <RadioCard.ItemContent>
          <RadioCard.ItemText {...READABLE}>{choice.label}</RadioCard.ItemText>
          <RadioCard.ItemDescription {...READABLE} color="fg.muted" opacity={1}>
            {choice.meaning}
          </RadioCard.ItemDescription>
        </RadioCard.ItemContent>
        <RadioCard.ItemIndicator {...READABLE} />
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
  const { draft, change, isReadOnly } = useForm();
  const box = (
    <Input
      {...control}
      size="sm"
      inputMode={unit ? "decimal" : "numeric"}
      autoComplete="off"
      readOnly={isReadOnly}
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
  const { draft, change, isReadOnly } = useForm();
  return (
    <Input
      {...control}
      type="date"
      size="sm"
      width="10rem"
      readOnly={isReadOnly}
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
  const { draft, change, isReadOnly } = useForm();
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
      readOnly={isReadOnly}
      value={lines.join("\n")}
      onChange={(event) => change(path, event.target.value.split("\n"))}
    />
  );
}
