/** Where scheduled syncs find the package of the SIS. */

import { Code, Input, type InputProps } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Choices, Section, Setting, Tick, useForm } from "./fields";
import { valueAt } from "./settings";

const STARTED_BY = [
  { value: "schedule", label: "The schedule", meaning: "The days and the time above." },
  { value: "new_file", label: "A new package", meaning: "Whenever one has arrived at the source." },
  { value: "both", label: "Both", meaning: "The schedule, and whatever arrives between." },
];

const ENCODINGS = [
  { value: "utf-8", label: "UTF-8", meaning: "As the standard requires." },
  { value: "windows-1252", label: "Windows-1252", meaning: "What older Windows programs write." },
];

const DELIMITERS = [
  { value: "comma", label: "Commas", meaning: "As the standard requires." },
  { value: "semicolon", label: "Semicolons", meaning: "As Excel writes in much of Europe." },
  { value: "tab", label: "Tabs", meaning: "Text files separated by tabs." },
  { value: "bar", label: "Vertical bars", meaning: "Values separated by |." },
];

const DATE_ORDERS = [
  { value: "iso", label: "YYYY-MM-DD", meaning: "As the standard requires." },
  { value: "month_first", label: "MM/DD/YYYY", meaning: "9/1/2026 is the first of September." },
  { value: "day_first", label: "DD/MM/YYYY", meaning: "9/1/2026 is the ninth of January." },
];

/** The group with the source. */
export function Source() {
  return (
    <Section
      title="Source"
      hint="Where scheduled syncs find what the SIS exports. Uploads need no source."
    >
      <Line
        path="source"
        label="Path or URL"
        maxLength={1000}
        placeholder="None: scheduled syncs have nothing to read"
        help={[
          "A path that Airflow's workers can read, such as ",
          code("/srv/oneroster"),
          ", or a URL such as ",
          code("sftp://sis.example.org/exports"),
          ", ",
          code("s3://bucket/exports"),
          " or ",
          code("https://sis.example.org/OneRoster.zip"),
          ". It may name a zip, a folder with the CSV files, or a folder into which the SIS drops zips: then the newest one is read. A file that is still being written is left until it is whole.",
        ]}
      />
      <Line
        path="source_connection"
        label="Airflow connection"
        maxLength={200}
        placeholder="None: the source takes no login"
        help={[
          "Its id, such as ",
          code("sis_sftp"),
          ". Login, password and keys stand there and nowhere else; for SFTP also the server's host key.",
        ]}
      />
      <Line
        path="source_pattern"
        label="Names of packages"
        maxLength={200}
        placeholder="*.zip"
        help={[
          "In a folder, only files with such a name are read: ",
          code("*"),
          " stands for any letters, as in ",
          code("OneRoster-*.zip"),
          ".",
        ]}
      />
      <Choices
        path="started_by"
        label="What starts a sync"
        choices={STARTED_BY}
        help="A package counts as new when it has not changed for a minute. While syncs are off or paused, none starts."
      />
      <Afterwards />
      <Choices
        path="encoding"
        label="Encoding of the files"
        choices={ENCODINGS}
        help="For a SIS that can't write UTF-8. It applies to uploads too. The strict profile ignores it."
      />
      <Choices
        path="delimiter"
        label="Delimiter of the files"
        choices={DELIMITERS}
        help="For a SIS that can't write commas."
      />
      <Choices
        path="date_order"
        label="Dates in the files"
        choices={DATE_ORDERS}
        help="For a SIS that can't write YYYY-MM-DD. 9/1/2026 is never guessed."
      />
    </Section>
  );
}

function Line({
  path,
  label,
  help,
  ...input
}: { path: string; label: string; help: ReactNode } & Pick<
  InputProps,
  "maxLength" | "placeholder"
>) {
  const { draft, change, isReadOnly } = useForm();
  return (
    <Setting path={path} label={label} help={help}>
      {(control) => (
        <Input
          {...control}
          {...input}
          fontFamily="mono"
          autoComplete="off"
          spellCheck={false}
          readOnly={isReadOnly}
          value={valueAt(draft, path) ?? ""}
          onChange={(event) => change(path, event.target.value)}
        />
      )}
    </Setting>
  );
}

function Afterwards() {
  const { draft, change, isReadOnly } = useForm();
  return (
    <Setting path="source_after" label="When a run has ended well" group>
      {() => (
        <Tick
          checked={draft.source_after === "move"}
          disabled={isReadOnly}
          label="Move the package aside"
          help="Into the folder “done” beside it. Otherwise it stays where it is."
          onChange={(isOn) => change("source_after", isOn ? "move" : "leave")}
        />
      )}
    </Setting>
  );
}

function code(text: string) {
  return (
    <Code key={text} size="sm">
      {text}
    </Code>
  );
}
