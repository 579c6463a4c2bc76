/** Taking a run back: all of it, one kind, or one record; what would come of it is shown before. */

import { Box, Button, Checkbox, Field, Input, NativeSelect, Text } from "@chakra-ui/react";
import { Fragment, useEffect, useState } from "react";
import { useNavigate } from "react-router-dom";
import { sayDone } from "../../lib/toasts";
import { post, type Problem, useApi } from "../../lib/api";
import { Disclosure } from "../../lib/dialogs";
import type { RunDetail, UndoPart, UndoPreview } from "../../lib/openapi";
import { Failure, HOME, Loading } from "../../lib/ui";
import { counted } from "../../lib/words";
import { Ask } from "./ask";
import { useSettled } from "./lists";
import { Counts } from "./overview";
import { UNDO_PARTS } from "../../words/runs";
import { ASK } from "../../words/questions";
import { SHARED } from "../../words/shared";

const RECORD = "record";

const FEW = 5;

/** A button that asks what of a run shall be taken back. */
export function UndoRun({ run }: { run: RunDetail }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <Fragment>
      <Button size="sm" variant="outline" onClick={() => setIsOpen(true)}>
        Undo…
      </Button>
      <UndoDialog run={run} open={isOpen} close={() => setIsOpen(false)} />
    </Fragment>
  );
}

/**
 * Ask what of a run shall be taken back, show what would come of it, and follow the run that does it.
 *
 * @param props.sourcedId Of the one record that it begins with.
 */
export function UndoDialog({
  run,
  open,
  close,
  sourcedId = "",
}: {
  run: RunDetail;
  open: boolean;
  close: () => void;
  sourcedId?: string;
}) {
  const [what, setWhat] = useState("");
  const [id, setId] = useState("");
  const [changedToo, setChangedToo] = useState(false);
  const navigate = useNavigate();
  useEffect(() => {
    if (open) {
      setWhat(sourcedId ? RECORD : "");
      setId(sourcedId);
      setChangedToo(false);
    }
  }, [open, sourcedId]);

  const part = partOf(what, id.trim(), changedToo);
  const preview = usePreview(run, open ? part : null);
  const act = async () => {
    const made = await post(`runs/${run.run_id}/undo`, part ?? undefined);
    sayDone(ASK.undo.done);
    const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
    navigate(`${HOME}/runs/${made.run_id}?${query}`);
  };
  return (
    <Ask
      open={open}
      close={close}
      title={ASK.undo.title}
      verb="Undo"
      isDanger
      disabled={!preview.isReady || !preview.data || !changesAnything(preview.data)}
      act={act}
    >
      <Text mb="4">
        A new run puts records back as they were before this one. It is judged by the site's limits
        like any other, and may wait for a decision.
      </Text>
      <Choice what={what} setWhat={setWhat} />
      {what === RECORD && <RecordBox id={id} setId={setId} />}
      <Checkbox.Root
        mt="4"
        checked={changedToo}
        colorPalette="brand"
        onCheckedChange={(details) => setChangedToo(details.checked === true)}
      >
        <Checkbox.HiddenInput />
        <Checkbox.Control />
        <Checkbox.Label>Include records changed again since</Checkbox.Label>
      </Checkbox.Root>
      <Box mt="4" minHeight="9rem">
        <Preview preview={preview} part={part} />
      </Box>
    </Ask>
  );
}

function Choice({ what, setWhat }: { what: string; setWhat: (value: string) => void }) {
  return (
    <Field.Root>
      <Field.Label>What to undo</Field.Label>
      <NativeSelect.Root size="sm">
        <NativeSelect.Field value={what} onChange={(event) => setWhat(event.target.value)}>
          {UNDO_PARTS.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
    </Field.Root>
  );
}

function RecordBox({ id, setId }: { id: string; setId: (value: string) => void }) {
  return (
    <Field.Root mt="3">
      <Field.Label>sourcedId</Field.Label>
      <Input
        size="sm"
        fontFamily="mono"
        autoComplete="off"
        spellCheck={false}
        maxLength={255}
        value={id}
        onChange={(event) => setId(event.target.value)}
      />
      <Field.HelperText>As the SIS writes it. Its course assignments go with it.</Field.HelperText>
    </Field.Root>
  );
}

/** Return the part as the API takes it; null while the record is not named. */
function partOf(what: string, id: string, changedToo: boolean): UndoPart | null {
  if (what === RECORD) {
    return id ? { sourced_id: id, changed_too: changedToo } : null;
  }
  return { ...(what && { kind: what as UndoPart["kind"] }), changed_too: changedToo };
}

/** Ask what an undo would come to; it is ready when the answer is that for what is chosen now. */
function usePreview(run: RunDetail, part: UndoPart | null) {
  const wanted = part && JSON.stringify(part);
  const settled = useSettled(wanted);
  const path = wanted && settled ? (`runs/${run.run_id}/undo` as const) : null;
  const params = settled ? JSON.parse(settled) : {};
  const { data, problem, loading, reload } = useApi(path, { params });
  const isReady = path !== null && !loading && problem === null && settled === wanted;
  return { data, problem, isReady, isBusy: loading || settled !== wanted, reload };
}

function changesAnything({ counts }: UndoPreview) {
  return Object.values(counts).some((numbers) => Object.values(numbers).some((count) => count > 0));
}

function Preview({
  preview: { data, problem, isReady, isBusy, reload },
  part,
}: {
  preview: {
    data: UndoPreview | null;
    problem: Problem | null;
    isReady: boolean;
    isBusy: boolean;
    reload: () => void;
  };
  part: UndoPart | null;
}) {
  if (part === null) {
    return (
      <Text color="fg.muted" fontSize="sm">
        Enter a sourcedId to see the preview.
      </Text>
    );
  }
  if (problem && !isBusy) {
    return <Failure problem={problem} retry={reload} />;
  }
  if (!data) {
    return <Loading height="9rem" />;
  }
  return (
    <Box opacity={isReady ? 1 : 0.5} aria-busy={!isReady} role="status">
      {changesAnything(data) ? (
        <Fragment>
          <Text fontWeight="semibold" fontSize="sm" mb="1">
            Preview
          </Text>
          <Counts counts={data.counts} isShort />
        </Fragment>
      ) : (
        <Text fontSize="sm">{nothing(part, data)}</Text>
      )}
      {data.left_total > 0 && (
        <LeftAlone key={JSON.stringify(part)} left={data.left} total={data.left_total} />
      )}
    </Box>
  );
}

function nothing({ sourced_id: id }: UndoPart, { left_total: left }: UndoPreview) {
  if (left > 0) {
    return "Nothing to undo.";
  }
  return id
    ? "This run did not change that record, or the change is already undone."
    : SHARED.alreadyUndone;
}

function LeftAlone({ left, total }: { left: string[]; total: number }) {
  const [isOpen, setIsOpen] = useState(total <= FEW);
  const more = total - left.length;
  return (
    <Box mt="3">
      <Text fontSize="sm" color="fg.muted">
        Not undone:
      </Text>
      <Disclosure label={counted(total, "record")} isOpen={isOpen} onToggle={setIsOpen}>
        <Box
          as="ul"
          tabIndex={0}
          aria-label="Records that are not undone"
          fontSize="sm"
          ps="5"
          listStyleType="disc"
          maxHeight="10rem"
          overflowY="auto"
          overflowWrap="anywhere"
        >
          {left.map((record) => (
            <li key={record}>{record}</li>
          ))}
          {more > 0 && <li>{`and ${counted(more, "more record")}`}</li>}
        </Box>
      </Disclosure>
    </Box>
  );
}
