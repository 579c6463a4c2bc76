/** Pauses: days on which no sync runs by itself. */

import { h } from "../../lib/ui.js";
import { Setting, useForm } from "./parts.js";
import { errorAt } from "./use_form.js";

const { Box, Button, Flex, IconButton, Input, Text } = globalThis.ChakraUI;
const { useEffect, useId, useRef } = globalThis.React;

const MOST = 100;

/** The setting of pauses: a row for each, and a button for one more. */
export function Pauses() {
  const { draft, change, isReadOnly } = useForm();
  const windows = draft.pause_windows;
  const list = useRef(null);
  const focusOn = useRef(null);

  useEffect(() => {
    if (focusOn.current !== null) {
      const rows = list.current.querySelectorAll("input[type=date][data-first]");
      const at = Math.min(focusOn.current, rows.length - 1);
      (rows[at] ?? list.current.querySelector("button"))?.focus();
      focusOn.current = null;
    }
  }, [windows.length]);

  const set = (index, name, value) =>
    change(
      "pause_windows",
      windows.map((one, at) => (at === index ? { ...one, [name]: value } : one)),
    );
  const add = () => {
    focusOn.current = windows.length;
    change("pause_windows", [...windows, { first_on: "", last_on: "", note: "" }]);
  };
  const remove = (index) => {
    focusOn.current = index;
    change("pause_windows", windows.filter((_one, at) => at !== index));
  };

  return h(
    Setting,
    {
      path: "pause_windows",
      label: "Pauses",
      group: true,
      help: "Both days included, in UTC. Pause over the summer: while the SIS is rolled over to the next school year, a sync would deactivate people and make next year's courses too early. Afterwards it goes on by itself. Uploads work in a pause too.",
    },
    () =>
      h(
        Box,
        { ref: list },
        windows.length === 0 &&
          h(Text, { color: "fg.muted", fontSize: "sm", mb: "2" }, "There is none: syncs run all year."),
        windows.map((window, index) =>
          h(PauseRow, {
            key: index,
            window,
            index,
            isReadOnly,
            set: (name, value) => set(index, name, value),
            remove: () => remove(index),
          }),
        ),
        !isReadOnly &&
          h(
            Button,
            {
              type: "button",
              size: "sm",
              variant: "outline",
              disabled: windows.length >= MOST,
              onClick: add,
            },
            "+ Add a pause",
          ),
      ),
  );
}

function PauseRow({ window, index, isReadOnly, set, remove }) {
  const { errors } = useForm();
  const error = errorAt(errors, `pause_windows.${index}`);
  const id = useId();
  const shared = {
    readOnly: isReadOnly,
    size: "sm",
    "aria-invalid": error ? true : undefined,
  };
  return h(
    Flex,
    {
      role: "group",
      "aria-label": `Pause ${index + 1}`,
      "aria-describedby": error ? id : undefined,
      wrap: "wrap",
      gap: "2",
      align: "flex-end",
      mb: "3",
    },
    h(
      Labelled,
      { label: "First day", width: "9.5rem" },
      (name) =>
        h(Input, {
          ...shared,
          id: name,
          type: "date",
          "data-first": true,
          max: window.last_on || undefined,
          value: window.first_on,
          onChange: (event) => set("first_on", event.target.value),
        }),
    ),
    h(
      Labelled,
      { label: "Last day", width: "9.5rem" },
      (name) =>
        h(Input, {
          ...shared,
          id: name,
          type: "date",
          min: window.first_on || undefined,
          value: window.last_on,
          onChange: (event) => set("last_on", event.target.value),
        }),
    ),
    h(
      Labelled,
      { label: "Note", width: "10rem", grow: true },
      (name) =>
        h(Input, {
          ...shared,
          id: name,
          "aria-invalid": undefined,
          placeholder: "Summer break",
          maxLength: 200,
          value: window.note,
          onChange: (event) => set("note", event.target.value),
        }),
    ),
    !isReadOnly &&
      h(
        IconButton,
        {
          type: "button",
          size: "sm",
          variant: "ghost",
          "aria-label": `Remove pause ${index + 1}`,
          title: "Remove this pause",
          onClick: remove,
        },
        h(Box, { as: "span", "aria-hidden": true, fontSize: "lg" }, "×"),
      ),
    error && h(Text, { id, color: "fg.error", fontSize: "sm", width: "100%" }, error),
  );
}

function Labelled({ label, width, grow = false, children }) {
  const id = useId();
  return h(
    Box,
    { flex: grow ? `1 1 ${width}` : { base: "1 1 8rem", md: `0 1 ${width}` }, minWidth: "8rem" },
    h(Text, { as: "label", htmlFor: id, fontSize: "xs", color: "fg.muted", display: "block" }, label),
    children(id),
  );
}
