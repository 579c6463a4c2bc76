/** One limit: a percentage and a number that both have to be reached, or a number that always counts. */

import { h } from "../../lib/ui.js";
import { Labelled, NumberBox, Setting, useForm } from "./parts.js";

const { Flex, Text } = globalThis.ChakraUI;

/**
 * Show a limit with its three numbers.
 *
 * @param {object} props
 * @param {string} props.kind Its name among the guards.
 * @param {string} props.label
 * @param {*} props.help
 */
export function LimitRow({ kind, label, help }) {
  const path = `guards.${kind}`;
  return h(
    Setting,
    { path, label, group: true, help },
    () =>
      h(
        Flex,
        { gap: "2", align: "flex-end", wrap: "wrap" },
        h(Part, { path: `${path}.percent`, label: "Percent", unit: "%" }),
        h(Between, null, "and"),
        h(Part, { path: `${path}.minimum`, label: "At least" }),
        h(
          Flex,
          { gap: "2", align: "flex-end" },
          h(Between, null, "or"),
          h(Part, { path: `${path}.cap`, label: "More than", placeholder: "no cap" }),
        ),
      ),
  );
}

/**
 * A number of a setting, with a small label of its own.
 *
 * @param {object} props
 * @param {string} props.path
 * @param {string} props.label
 * @param {string} [props.unit]
 * @param {string} [props.placeholder]
 */
export function Part({ path, label, unit, placeholder }) {
  const { errors } = useForm();
  const isWrong = errors.some(({ field }) => field === path);
  return h(
    Labelled,
    { label, "data-setting": path },
    h(NumberBox, { path, unit, placeholder, "aria-invalid": isWrong || undefined }),
  );
}

function Between({ children }) {
  return h(Text, { as: "span", color: "fg.muted", pb: "1.5", fontSize: "sm" }, children);
}
