/** Where scheduled syncs find the package of the SIS. */

import { h } from "../../lib/ui.js";
import { Section, Setting, useForm } from "./parts.js";

const { Code, Input } = globalThis.ChakraUI;

/** The group with the source. */
export function Source() {
  const { draft, change, isReadOnly } = useForm();
  return h(
    Section,
    {
      title: "Source",
      hint: "Where scheduled syncs find what the SIS exports. Uploads need no source.",
    },
    h(
      Setting,
      {
        path: "source",
        label: "Path or file:// URL",
        help: [
          "A path that Airflow's workers can read, such as ",
          h(Code, { key: "path", size: "sm" }, "/srv/oneroster"),
          ". It may name a zip, a folder with the CSV files, or a folder into which the SIS drops zips: then the newest one is read. A file that is still being written is left until it is whole.",
        ],
      },
      (control) =>
        h(Input, {
          ...control,
          fontFamily: "mono",
          autoComplete: "off",
          spellCheck: false,
          readOnly: isReadOnly,
          maxLength: 1000,
          placeholder: "None: scheduled syncs have nothing to read",
          value: draft.source ?? "",
          onChange: (event) => change("source", event.target.value),
        }),
    ),
  );
}
