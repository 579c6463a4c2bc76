/** What is asked before a site is made, copied, archived, restored or switched on. */

import { post, put } from "../../lib/api.js";
import { Confirm, Failure, Field, Framed, HOME, h } from "../../lib/ui.js";

const { Box, Button, CloseButton, Dialog, Flex, Input, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useEffect, useRef, useState } = globalThis.React;

const BLANK = { site: "", admin: "" };

/**
 * Make a site, or copy one.
 *
 * @param {object} props
 * @param {boolean} props.open
 * @param {object|null} props.site The one that is copied; null makes one with default preferences.
 * @param {function(): void} props.onClose
 * @param {function(): void} props.onDone
 */
export function NewSite({ open, site, onClose, onDone }) {
  const [given, setGiven] = useState(BLANK);
  const [problem, setProblem] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  const first = useRef(null);
  useEffect(() => {
    if (open) {
      setGiven(BLANK);
      setProblem(null);
    }
  }, [open]);
  const make = async (event) => {
    event.preventDefault();
    setIsBusy(true);
    setProblem(null);
    try {
      const trimmed = { site: given.site.trim(), admin: given.admin.trim() };
      await post(site ? `sites/${site.site}/copy` : "sites", trimmed);
      onDone();
      onClose();
    } catch (caught) {
      setProblem(caught);
      first.current?.focus();
    } finally {
      setIsBusy(false);
    }
  };
  return h(
    Framed,
    {
      open,
      onOpenChange: (event) => !event.open && !isBusy && onClose(),
      initialFocusEl: () => first.current,
      content: { as: "form", onSubmit: make, noValidate: true },
    },
    h(Dialog.Header, null, h(Dialog.Title, null, site ? `Copy ${site.site}` : "New site")),
    h(Dialog.Body, null, h(Fields, { given, setGiven, problem, first, copied: site })),
    h(
      Dialog.Footer,
      null,
      h(Button, { variant: "outline", disabled: isBusy, onClick: onClose }, "Cancel"),
      h(Button, { type: "submit", colorPalette: "brand", loading: isBusy }, site ? "Copy" : "Make site"),
    ),
    h(Dialog.CloseTrigger, { asChild: true }, h(CloseButton, { size: "sm", "aria-label": "Close" })),
  );
}

function Fields({ given, setGiven, problem, first, copied }) {
  const errors = Object.fromEntries((problem?.errors ?? []).map(({ field, message }) => [field, message]));
  const isElsewhere = problem && !errors.site && !errors.admin;
  const box = (name, more) => (control) =>
    h(Input, {
      ...control,
      ...more,
      value: given[name],
      autoComplete: "off",
      spellCheck: false,
      onChange: (event) => setGiven((old) => ({ ...old, [name]: event.target.value })),
    });
  return h(
    Flex,
    { direction: "column", gap: "4" },
    isElsewhere && h(Failure, { problem }),
    h(Field, {
      label: "Name",
      required: true,
      help: "Small letters, digits, - and _. It is part of addresses and DAG ids, and can't be changed later.",
      error: errors.site && (problem.code === "site.exists" ? errors.site : WRONG_NAME),
      children: box("site", { ref: first, maxLength: 63 }),
    }),
    h(Field, {
      label: "E-mail address of its administrator",
      required: true,
      help: "The account is made with the site, and is credited with what syncs change.",
      error: errors.admin && "This is no e-mail address.",
      children: box("admin", { type: "email" }),
    }),
    h(Text, { color: "fg.muted", fontSize: "sm" }, copied ? COPIED : MADE),
  );
}

const WRONG_NAME = "A name has 1 to 63 small letters, digits, - or _, and begins with a letter or a digit.";
const MADE = "It has default preferences, and its sync is off.";
const COPIED =
  "All preferences come along, its source too: give the copy its own. Roster, runs and a raised limit don't, and its sync is off.";

/** Archive a site, once it was said what follows. */
export function ArchiveSite({ open, site, onClose, onDone }) {
  const archive = async () => {
    await post(`sites/${site.site}/archive`);
    onDone();
  };
  return h(
    Confirm,
    { open, onClose, title: `Archive ${site?.site}?`, verb: "Archive", palette: "danger", onConfirm: archive },
    h(
      Flex,
      { direction: "column", gap: "3" },
      h(Text, null, "Its DAGs disappear, and no run of it can begin: not by the schedule, an upload or the command line."),
      h(Text, null, "A plan that waits for a decision is discarded, and so is a run that has not ended."),
      h(Text, { color: "fg.muted", fontSize: "sm" }, "Its roster, history and audit can still be read. It can be restored, with its sync off."),
    ),
  );
}

/** Bring a site back. */
export function RestoreSite({ open, site, onClose, onDone }) {
  const restore = async () => {
    await post(`sites/${site.site}/restore`);
    onDone();
  };
  return h(
    Confirm,
    { open, onClose, title: `Restore ${site?.site}?`, verb: "Restore", onConfirm: restore },
    h(Text, null, "It comes back as it was, with its sync off. What was asked for before it was archived is not done."),
  );
}

/** Switch a site's sync on. */
export function SwitchOn({ open, site, onClose, onDone }) {
  const switchOn = async () => {
    await put(`sites/${site.site}/enabled`, { enabled: true });
    onDone();
  };
  return h(
    Confirm,
    { open, onClose, title: `Switch the sync of ${site?.site} on?`, verb: "Switch on", onConfirm: switchOn },
    h(
      Box,
      null,
      h(Text, { mb: "3" }, "It syncs by the schedule of its preferences from then on. What was missed is not caught up with."),
      site &&
        h(
          Box,
          { asChild: true, textDecoration: "underline" },
          h(Link, { to: `${HOME}/sites/${site.site}/preferences` }, "Look at its preferences first"),
        ),
    ),
  );
}
