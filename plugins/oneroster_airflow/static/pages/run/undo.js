/** Taking a run back: all of it, one kind, or one record; what would come of it is shown before. */

import { post, useApi } from "../../lib/api.js";
import { Disclosure } from "../../lib/disclosure.js";
import { Failure, HOME, Loading, h } from "../../lib/ui.js";
import { counted } from "../../lib/words.js";
import { Ask } from "./ask.js";
import { Counts } from "./overview.js";
import { useSettled } from "./paging.js";

const { Box, Button, Checkbox, Field, Input, NativeSelect, Text } = globalThis.ChakraUI;
const { useNavigate } = globalThis.ReactRouterDOM;
const { Fragment, useEffect, useState } = globalThis.React;

const RECORD = "record";
const FEW = 5;
const PARTS = [
  { value: "", label: "All of it" },
  { value: "user", label: "Its users" },
  { value: "course", label: "Its courses" },
  { value: "assignment", label: "Its course assignments" },
  { value: RECORD, label: "One user or one course" },
];

/**
 * A button that asks what of a run shall be taken back.
 *
 * @param {object} props
 * @param {object} props.run
 */
export function UndoRun({ run }) {
  const [isOpen, setIsOpen] = useState(false);
  return h(
    Fragment,
    null,
    h(Button, { size: "sm", variant: "outline", onClick: () => setIsOpen(true) }, "Undo…"),
    h(UndoDialog, { run, open: isOpen, close: () => setIsOpen(false) }),
  );
}

/**
 * Ask what of a run shall be taken back, show what would come of it, and follow the run that does it.
 *
 * @param {object} props
 * @param {object} props.run
 * @param {boolean} props.open
 * @param {function(): void} props.close
 * @param {string} [props.sourcedId] Of the one record that it begins with.
 */
export function UndoDialog({ run, open, close, sourcedId = "" }) {
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
    const made = await post(`runs/${run.run_id}/undo`, part);
    const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
    navigate(`${HOME}/runs/${made.run_id}?${query}`);
  };
  return h(
    Ask,
    {
      open,
      close,
      title: "Take this run back?",
      verb: "Undo",
      isDanger: true,
      disabled: !preview.isReady || !changesAnything(preview.data),
      act,
    },
    h(
      Text,
      { mb: "4" },
      "A new run puts records back as they were before this one. It is judged by the site's limits like any other, and may wait for a decision.",
    ),
    h(Choice, { what, setWhat }),
    what === RECORD && h(RecordBox, { id, setId }),
    h(
      Checkbox.Root,
      {
        mt: "4",
        checked: changedToo,
        colorPalette: "brand",
        onCheckedChange: (details) => setChangedToo(details.checked === true),
      },
      h(Checkbox.HiddenInput, null),
      h(Checkbox.Control, null),
      h(Checkbox.Label, null, "Also what changed again since"),
    ),
    h(Box, { mt: "4", minHeight: "9rem" }, h(Preview, { preview, part })),
  );
}

function Choice({ what, setWhat }) {
  return h(
    Field.Root,
    null,
    h(Field.Label, null, "What is taken back"),
    h(
      NativeSelect.Root,
      { size: "sm" },
      h(
        NativeSelect.Field,
        { value: what, onChange: (event) => setWhat(event.target.value) },
        PARTS.map(({ value, label }) => h("option", { key: value, value }, label)),
      ),
      h(NativeSelect.Indicator),
    ),
  );
}

function RecordBox({ id, setId }) {
  return h(
    Field.Root,
    { mt: "3" },
    h(Field.Label, null, "sourcedId"),
    h(Input, {
      size: "sm",
      fontFamily: "mono",
      autoComplete: "off",
      spellCheck: false,
      maxLength: 255,
      value: id,
      onChange: (event) => setId(event.target.value),
    }),
    h(Field.HelperText, null, "As the SIS writes it. Its course assignments go with it."),
  );
}

/** Return the part as the API takes it; null while the record is not named. */
function partOf(what, id, changedToo) {
  if (what === RECORD) {
    return id ? { sourced_id: id, changed_too: changedToo } : null;
  }
  return { ...(what && { kind: what }), changed_too: changedToo };
}

/** Ask what an undo would come to; it is ready when the answer is that for what is chosen now. */
function usePreview(run, part) {
  const wanted = part && JSON.stringify(part);
  const settled = useSettled(wanted);
  const path = wanted && settled ? `runs/${run.run_id}/undo` : null;
  const params = settled ? JSON.parse(settled) : {};
  const { data, problem, loading, reload } = useApi(path, { params });
  const isReady = path !== null && !loading && problem === null && settled === wanted;
  return { data, problem, isReady, isBusy: loading || settled !== wanted, reload };
}

function changesAnything({ counts }) {
  return Object.values(counts).some((numbers) => Object.values(numbers).some((count) => count > 0));
}

function Preview({ preview: { data, problem, isReady, isBusy, reload }, part }) {
  if (part === null) {
    return h(Text, { color: "fg.muted", fontSize: "sm" }, "Name the record to see what would come of it.");
  }
  if (problem && !isBusy) {
    return h(Failure, { problem, retry: reload });
  }
  if (!data) {
    return h(Loading, { height: "9rem" });
  }
  return h(
    Box,
    { opacity: isReady ? 1 : 0.5, "aria-busy": !isReady, role: "status" },
    changesAnything(data)
      ? h(Fragment, null, h(Text, { fontWeight: "semibold", fontSize: "sm", mb: "1" }, "What would come of it"), h(Counts, { counts: data.counts, isShort: true }))
      : h(Text, { fontSize: "sm" }, nothing(part, data)),
    data.left_total > 0 && h(LeftAlone, { key: JSON.stringify(part), left: data.left, total: data.left_total }),
  );
}

function nothing({ sourced_id: id }, { left_total: left }) {
  if (left > 0) {
    return "Nothing would be put back.";
  }
  return id ? "This run changed nothing of that record, or it has been put back already." : "Nothing would be put back: it has been already.";
}

function LeftAlone({ left, total }) {
  const [isOpen, setIsOpen] = useState(total <= FEW);
  const more = total - left.length;
  return h(
    Box,
    { mt: "3" },
    h(
      Text,
      { fontSize: "sm", color: "fg.muted" },
      "Left alone:",
    ),
    h(
      Disclosure,
      { label: counted(total, "record"), isOpen, onToggle: setIsOpen },
      h(
        Box,
        {
          as: "ul",
          tabIndex: 0,
          "aria-label": "Records that are left alone",
          fontSize: "sm",
          ps: "5",
          listStyleType: "disc",
          maxHeight: "10rem",
          overflowY: "auto",
          overflowWrap: "anywhere",
        },
        left.map((record) => h("li", { key: record }, record)),
        more > 0 && h("li", null, `and ${counted(more, "more record")}`),
      ),
    ),
  );
}
