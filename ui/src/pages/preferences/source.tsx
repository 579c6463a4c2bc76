/** Where scheduled syncs find the package of the SIS. */

import { Input, type InputProps, Link as Anchor, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import { HOME } from "../../lib/ui";
import { Choices, Section, Setting, Tick, useForm } from "./fields";
import type { SectionOf } from "./sections";
import { valueAt } from "./settings";
import { TEXTS, TICKS } from "./texts";

/** The section with the source. */
export function Source({ section }: { section: SectionOf }) {
  const { site } = useForm();
  return (
    <Section section={section}>
      <Line
        path="source"
        maxLength={1000}
        placeholder="None: scheduled syncs have nothing to read"
      />
      <Line
        path="source_connection"
        maxLength={200}
        placeholder="None: the source takes no login"
      />
      <Line path="source_pattern" maxLength={200} placeholder="*.zip" />
      <Choices path="started_by" />
      <Afterwards />
      <Text color="fg.muted" fontSize="sm">
        Uploads need no source:{" "}
        <Anchor asChild color="fg.info" textDecoration="underline">
          <Link to={`${HOME}/sites/${site}/upload`}>upload a file</Link>
        </Anchor>
        .
      </Text>
    </Section>
  );
}

function Line({
  path,
  ...input
}: { path: string } & Pick<InputProps, "maxLength" | "placeholder">) {
  const { draft, change } = useForm();
  return (
    <Setting path={path}>
      {(control) => (
        <Input
          {...control}
          {...input}
          fontFamily="mono"
          autoComplete="off"
          spellCheck={false}
          value={valueAt(draft, path) ?? ""}
          onChange={(event) => change(path, event.target.value)}
        />
      )}
    </Setting>
  );
}

function Afterwards() {
  const { draft, change } = useForm();
  return (
    <Setting path="source_after" group help={null}>
      {() => (
        <Tick
          checked={draft.source_after === "move"}
          label={TICKS.source_after}
          help={TEXTS.source_after.help}
          onChange={(isOn) => change("source_after", isOn ? "move" : "leave")}
        />
      )}
    </Setting>
  );
}
