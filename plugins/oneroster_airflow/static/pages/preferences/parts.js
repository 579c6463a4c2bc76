/** What the groups of settings are made of. */

import { Field, h } from "../../lib/ui.js";
import { valueAt } from "./settings.js";
import { errorAt } from "./use_form.js";

const { Box, Checkbox, Grid, Heading, Input, InputGroup, RadioCard, Text } = globalThis.ChakraUI;
const { createContext, useContext, useId } = globalThis.React;

const Form = createContext(null);

/** Gives the form to the settings inside: see `usePreferencesForm`, and `isReadOnly`. */
export const FormProvider = Form.Provider;

/**
 * Return the form that a setting belongs to.
 *
 * @returns {object}
 */
export function useForm() {
  return useContext(Form);
}

/** How a control looks that may be read and not changed. */
export const READABLE = { _disabled: { opacity: 1, cursor: "default" } };
const READABLE_CARD = { _disabled: { opacity: 1, cursor: "default", bg: "transparent" } };

/**
 * A group of settings: what it is about on the left, the settings on the right.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {*} props.hint
 * @param {*} props.children
 */
export function Section({ title, hint, children, ...rest }) {
  const id = useId();
  return h(
    Grid,
    {
      as: "section",
      "aria-labelledby": id,
      templateColumns: { base: "minmax(0, 1fr)", lg: "16rem minmax(0, 1fr)" },
      columnGap: "8",
      rowGap: "4",
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "8px",
      p: { base: "4", md: "5" },
      mb: "4",
      ...rest,
    },
    h(
      Box,
      null,
      h(Heading, { as: "h2", size: "md", id, mb: "1" }, title),
      h(Text, { color: "fg.muted", fontSize: "sm" }, hint),
    ),
    h(Grid, { gap: "6", minWidth: 0, templateColumns: "minmax(0, 1fr)" }, children),
  );
}

/**
 * One setting, with its error beside it.
 *
 * @param {object} props
 * @param {string} props.path Where it stands in the settings.
 * @param {string} props.label
 * @param {*} [props.help]
 * @param {boolean} [props.required]
 * @param {boolean} [props.group]
 * @param {function(object): *} props.children
 */
export function Setting({ path, children, ...field }) {
  const { errors } = useForm();
  return h(
    Box,
    { "data-setting": path, maxWidth: "48rem" },
    h(Field, { ...field, error: errorAt(errors, path) }, children),
  );
}

/**
 * A setting that is one of a few, each with what it means.
 *
 * @param {object} props
 * @param {string} props.path
 * @param {string} props.label
 * @param {*} [props.help]
 * @param {{value: string, label: string, meaning: string}[]} props.choices
 */
export function Choices({ path, label, help, choices }) {
  const { draft, change, isReadOnly } = useForm();
  const id = useId();
  return h(
    Box,
    { "data-setting": path, maxWidth: "48rem" },
    h(
      RadioCard.Root,
      {
        value: valueAt(draft, path),
        onValueChange: (details) => change(path, details.value),
        disabled: isReadOnly,
        colorPalette: "brand",
        size: "sm",
        gap: "0",
        "aria-describedby": help ? id : undefined,
      },
      h(RadioCard.Label, { ...READABLE, fontWeight: "bold", fontSize: "md", mb: "1" }, label),
      h(
        Grid,
        { gap: "2", templateColumns: { base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" } },
        choices.map((choice) => h(Choice, { key: choice.value, choice })),
      ),
    ),
    help && h(Text, { id, color: "fg.muted", fontSize: "sm", mt: "1" }, help),
  );
}

function Choice({ choice }) {
  return h(
    RadioCard.Item,
    { value: choice.value, ...READABLE_CARD },
    h(RadioCard.ItemHiddenInput),
    h(
      RadioCard.ItemControl,
      READABLE_CARD,
      h(
        RadioCard.ItemContent,
        null,
        h(RadioCard.ItemText, READABLE, choice.label),
        h(RadioCard.ItemDescription, { ...READABLE, color: "fg.muted", opacity: 1 }, choice.meaning),
      ),
      h(RadioCard.ItemIndicator, READABLE),
    ),
  );
}

/**
 * Something to tick, with what it means below.
 *
 * @param {object} props
 * @param {boolean} props.checked
 * @param {function(boolean): void} [props.onChange]
 * @param {boolean} [props.disabled]
 * @param {string} props.label
 * @param {*} [props.help]
 */
export function Tick({ checked, onChange, disabled = false, label, help }) {
  const id = useId();
  return h(
    Box,
    null,
    h(
      Checkbox.Root,
      {
        checked,
        disabled,
        colorPalette: "brand",
        onCheckedChange: (details) => onChange?.(details.checked === true),
      },
      h(Checkbox.HiddenInput, { "aria-describedby": help ? id : undefined }),
      h(Checkbox.Control, READABLE),
      h(Checkbox.Label, READABLE, label),
    ),
    help && h(Text, { id, color: "fg.muted", fontSize: "sm", ps: "7" }, help),
  );
}

/**
 * A number in a small box, with its unit.
 *
 * @param {object} props
 * @param {string} props.path
 * @param {string} [props.unit]
 * @param {string} [props.placeholder]
 */
export function NumberBox({ path, unit, placeholder, ...control }) {
  const { draft, change, isReadOnly } = useForm();
  const box = h(Input, {
    ...control,
    size: "sm",
    inputMode: unit ? "decimal" : "numeric",
    autoComplete: "off",
    readOnly: isReadOnly,
    placeholder,
    value: String(valueAt(draft, path) ?? ""),
    onChange: (event) => change(path, event.target.value),
  });
  return h(Box, { width: { base: "6rem", md: "7rem" } }, unit ? h(InputGroup, { endElement: unit }, box) : box);
}

/**
 * A control of a setting that has several, with a small label of its own.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {boolean} [props.grow] Whether it takes the room that there is.
 * @param {*} props.children
 */
export function Labelled({ label, grow = false, children, ...rest }) {
  return h(
    Box,
    { as: "label", display: "block", flex: grow ? "1 1 10rem" : "none", minWidth: "0", ...rest },
    h(Text, { as: "span", display: "block", fontSize: "xs", color: "fg.muted" }, label),
    children,
  );
}
