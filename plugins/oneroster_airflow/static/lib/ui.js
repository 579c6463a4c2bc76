/** What all pages are built of: the frame, messages, moments, outcomes, fields and dialogs. */

import { local, outcomeLabel, outcomePalette, utc } from "./words.js";

export { Stages } from "./stages.js";

const { Alert, Badge, Box, Button, CloseButton, Dialog, Flex, Heading, Portal, Skeleton, Text } =
  globalThis.ChakraUI;
const { Link, useLocation } = globalThis.ReactRouterDOM;
const { createElement, useEffect, useId, useRef, useState } = globalThis.React;

/** Makes an element. */
export const h = createElement;

/** Where the pages live in Airflow. */
export const HOME = "/plugin/oneroster";

const TABS = [
  { value: "runs", label: "Recent synchronizations", path: "" },
  { value: "preferences", label: "Preferences", path: "/preferences" },
  { value: "upload", label: "Upload", path: "/upload" },
  { value: "why", label: "Why?", path: "/why", needs: "details" },
];

/**
 * The frame of a page: its title, its place among the pages of its site, and its actions.
 *
 * @param {object} props
 * @param {string} props.title The heading, and the title of the browser's tab.
 * @param {string} [props.site]
 * @param {object} [props.may] What the viewer may do.
 * @param {string} [props.tab] Which of the site's pages this is.
 * @param {*} [props.actions] Buttons beside the title.
 * @param {*} props.children
 */
export function Page({ title, site, may, tab, actions = null, children }) {
  useEffect(() => {
    const before = document.title;
    document.title = `${title} · OneRoster${site ? ` · ${site}` : ""}`;
    return () => {
      document.title = before;
    };
  }, [title, site]);
  return h(
    Box,
    { p: { base: "2", md: "4" }, maxWidth: "1600px", width: "100%", mx: "auto" },
    site && h(SiteNav, { site, may, tab }),
    h(
      Flex,
      { justify: "space-between", align: "center", gap: "3", wrap: "wrap", mb: "4", minHeight: "9" },
      h(Heading, { as: "h1", size: "xl" }, title),
      h(Flex, { gap: "2", wrap: "wrap" }, actions),
    ),
    h(Notice),
    may?.archivedAt && h(Rests, { since: may.archivedAt }),
    children,
  );
}

/** What the page before wants to be told here, such as that a file was uploaded before. */
function Notice() {
  const notice = useLocation().state?.notice;
  return typeof notice === "string"
    ? h(
        Alert.Root,
        { status: "info", mb: "4" },
        h(Alert.Indicator),
        h(Alert.Content, null, h(Alert.Description, null, notice)),
      )
    : null;
}

/** Says of an archived site that it can be read, and nothing more. */
function Rests({ since }) {
  return h(
    Alert.Root,
    { status: "info", mb: "4" },
    h(Alert.Indicator),
    h(
      Alert.Content,
      null,
      h(Alert.Title, null, `This site is archived since ${since.slice(0, 10)}`),
      h(Alert.Description, null, "Everything of it can be read; nothing begins or changes. An administrator of all sites can restore it."),
    ),
  );
}

function SiteNav({ site, may, tab }) {
  const here = useRef(null);
  useEffect(() => {
    here.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  const shown = TABS.filter(({ needs }) => !needs || may?.[needs]);
  return h(
    Flex,
    {
      as: "nav",
      "aria-label": `Pages of the site ${site}`,
      direction: { base: "column", md: "row" },
      borderBottomWidth: "1px",
      borderColor: "border.emphasized",
      mb: "4",
      align: "stretch",
    },
    h(
      Flex,
      { align: "center", px: "2", py: { base: "1", md: "0" }, color: "fg.muted", fontSize: "sm", whiteSpace: "nowrap" },
      h(Box, { asChild: true, _hover: { textDecoration: "underline" } }, h(Link, { to: `${HOME}/sites` }, "Sites")),
      h(Box, { as: "span", mx: "2", "aria-hidden": true }, "/"),
      h(Text, { as: "span", color: "fg", fontWeight: "bold" }, site),
    ),
    h(
      Flex,
      { overflowX: "auto", overflowY: "hidden", minWidth: "0" },
      shown.map(({ value, label, path }) =>
        h(
          Box,
          {
            key: value,
            asChild: true,
            px: { base: "2", md: "3" },
            py: "2",
            fontWeight: "bold",
            fontSize: { base: "sm", md: "md" },
            whiteSpace: "nowrap",
            borderBottomWidth: "3px",
            borderColor: tab === value ? "border.info" : "transparent",
            color: tab === value ? "fg" : "fg.muted",
            _hover: { color: "fg" },
          },
          h(
            Link,
            {
              to: `${HOME}/sites/${site}${path}`,
              ref: tab === value ? here : undefined,
              "aria-current": tab === value ? "page" : undefined,
            },
            label,
          ),
        ),
      ),
    ),
  );
}

/**
 * A bordered part of a page with a heading.
 *
 * @param {object} props
 * @param {string} [props.title]
 * @param {*} [props.hint] A sentence under the heading.
 * @param {*} [props.actions] Beside the heading.
 * @param {*} props.children
 */
export function Card({ title, hint, actions = null, children, ...rest }) {
  const id = useId();
  return h(
    Box,
    {
      as: "section",
      "aria-labelledby": title ? id : undefined,
      borderWidth: "1px",
      borderColor: "border.emphasized",
      borderRadius: "8px",
      p: "4",
      ...rest,
    },
    title &&
      h(
        Flex,
        { justify: "space-between", align: "center", gap: "2", wrap: "wrap", mb: hint ? "1" : "3" },
        h(Heading, { as: "h2", size: "md", id }, title),
        actions,
      ),
    hint && h(Text, { color: "fg.muted", fontSize: "sm", mb: "3" }, hint),
    children,
  );
}

/**
 * Says that there is nothing, and what to do about it.
 *
 * @param {object} props
 * @param {string} props.title
 * @param {*} [props.children]
 */
export function Empty({ title, children = null }) {
  return h(
    Box,
    {
      borderWidth: "1px",
      borderStyle: "dashed",
      borderColor: "border.emphasized",
      borderRadius: "8px",
      p: "6",
      textAlign: "center",
    },
    h(Text, { fontWeight: "bold", mb: "1" }, title),
    h(Box, { color: "fg.muted" }, children),
  );
}

/**
 * Says what went wrong, and offers to try again.
 *
 * @param {object} props
 * @param {object} props.problem
 * @param {function(): void} [props.retry]
 */
export function Failure({ problem, retry }) {
  const gone = problem.status === 401;
  return h(
    Alert.Root,
    { status: "error", role: "alert" },
    h(Alert.Indicator),
    h(
      Alert.Content,
      null,
      h(Alert.Title, null, gone ? "Your login has expired" : (problem.title ?? "Something went wrong")),
      h(Alert.Description, null, problem.detail ?? problem.message),
    ),
    gone
      ? h(Button, { size: "sm", variant: "outline", onClick: () => location.reload() }, "Log in again")
      : retry && h(Button, { size: "sm", variant: "outline", onClick: retry }, "Try again"),
  );
}

/**
 * Holds the place of what is on its way, so that nothing jumps.
 *
 * @param {object} props
 * @param {string} [props.height]
 */
export function Loading({ height = "20rem" }) {
  return h(Box, { role: "status", "aria-label": "Loading" }, h(Skeleton, { height, borderRadius: "8px" }));
}

/**
 * A moment in UTC; the viewer's own time is told on hover and to screen readers.
 *
 * @param {object} props
 * @param {string} props.at
 * @param {boolean} [props.seconds]
 * @param {boolean} [props.bare] Whether something above says already that this is UTC.
 */
export function Time({ at, seconds = true, bare = false }) {
  const text = utc(at, { seconds });
  return h(
    "time",
    { dateTime: at, title: local(at), style: { whiteSpace: "nowrap" } },
    bare ? text.replace(" UTC", "") : text,
  );
}

/**
 * How a run ended, in words and colour; subtle, because not all solid colours of Airflow can be read.
 *
 * @param {object} props
 * @param {string|null} props.outcome
 */
export function Outcome({ outcome }) {
  return h(
    Badge,
    { colorPalette: outcomePalette(outcome), variant: "subtle", borderRadius: "full", px: "2", whiteSpace: "nowrap" },
    outcomeLabel(outcome),
  );
}

/**
 * A setting: its label, the control, what it means, and what is wrong with it.
 *
 * @param {object} props
 * @param {string} props.label
 * @param {*} [props.help]
 * @param {string} [props.error]
 * @param {boolean} [props.required]
 * @param {boolean} [props.group] Whether the control is several, which the label names together.
 * @param {function(object): *} props.children Gets `id`, `aria-describedby` and `aria-invalid`.
 */
export function Field({ label, help, error, required = false, group = false, children }) {
  const id = useId();
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  const name = h(
    Text,
    { as: group ? "span" : "label", htmlFor: group ? undefined : id, id: `${id}-label`, fontWeight: "bold", display: "block", mb: "1" },
    label,
    required && h(Box, { as: "span", color: "fg.error", "aria-hidden": true }, " *"),
  );
  const control = children({
    id,
    "aria-describedby": described || undefined,
    "aria-invalid": error ? true : undefined,
    "aria-required": required || undefined,
  });
  return h(
    Box,
    group
      ? { role: "group", "aria-labelledby": `${id}-label`, "aria-describedby": described || undefined }
      : null,
    name,
    control,
    error && h(Text, { id: `${id}-error`, color: "fg.error", fontSize: "sm", mt: "1" }, error),
    help && h(Box, { id: `${id}-help`, color: "fg.muted", fontSize: "sm", mt: "1" }, help),
  );
}

/**
 * The frame of a dialog: over the page, in its middle, never wider than the window.
 *
 * @param {object} props What a dialog's root takes, and:
 * @param {object} [props.content] What its content takes, such as the events of a form.
 * @param {*} props.children
 */
export function Framed({ content = null, children, ...root }) {
  return h(
    Dialog.Root,
    { placement: "center", ...root },
    h(
      Portal,
      null,
      h(Dialog.Backdrop),
      h(Dialog.Positioner, { px: "2" }, h(Dialog.Content, content, children)),
    ),
  );
}

/**
 * Asks before something is done, and shows why it could not be.
 *
 * @param {object} props
 * @param {boolean} props.open
 * @param {function(): void} props.onClose
 * @param {string} props.title
 * @param {string} props.verb What the button does.
 * @param {string} [props.palette]
 * @param {boolean} [props.disabled] Whether it can't be done now.
 * @param {function(): Promise<void>} props.onConfirm Closes the dialog when it resolves.
 * @param {*} props.children
 */
export function Confirm({ open, onClose, title, verb, palette = "brand", disabled = false, onConfirm, children }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const cancel = useRef(null);
  const close = () => {
    setProblem(null);
    onClose();
  };
  const act = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return h(
    Framed,
    {
      open,
      onOpenChange: (event) => !event.open && !busy && close(),
      initialFocusEl: () => cancel.current,
      role: "alertdialog",
    },
    h(Dialog.Header, null, h(Dialog.Title, null, title)),
    h(
      Dialog.Body,
      null,
      children,
      problem && h(Box, { mt: "3" }, h(Failure, { problem })),
    ),
    h(
      Dialog.Footer,
      null,
      h(Button, { ref: cancel, variant: "outline", disabled: busy, onClick: close }, "Cancel"),
      h(Button, { colorPalette: palette, loading: busy, disabled, onClick: act }, verb),
    ),
    h(Dialog.CloseTrigger, { asChild: true }, h(CloseButton, { size: "sm" })),
  );
}
