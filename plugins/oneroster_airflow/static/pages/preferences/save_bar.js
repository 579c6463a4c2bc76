/** The bar at the foot of the page: what was changed, what is wrong, Save and Discard. */

import { h } from "../../lib/ui.js";
import { local, utc } from "../../lib/words.js";
import { byWhom } from "./in_words.js";
import { SETTINGS } from "./settings.js";

const { Box, Button, Flex, Text, VisuallyHidden } = globalThis.ChakraUI;

const NAMED = 3;

/**
 * Show how the draft stands.
 *
 * @param {object} props
 * @param {object} props.form As `usePreferencesForm` gives it.
 * @param {boolean|null} props.enabled Whether the sync is on now.
 * @param {function(string): void} props.goTo Moves the focus to a setting.
 */
export function SaveBar({ form, enabled, goTo }) {
  const isClean = form.changed.length === 0;
  const isFresh = form.saved !== null && form.saved.enabled === enabled;
  const told = isFresh ? savedWords(form.saved) : form.told;
  return h(
    Flex,
    {
      position: "sticky",
      bottom: "-3",
      zIndex: "docked",
      bg: "bg",
      borderWidth: "1px",
      borderColor: form.errors.length || form.problem ? "border.error" : "border.emphasized",
      borderRadius: "8px",
      boxShadow: "md",
      px: { base: "3", md: "5" },
      py: "3",
      gap: "3",
      wrap: { base: "wrap", md: "nowrap" },
      align: "center",
      justify: "space-between",
      minHeight: "4.5rem",
    },
    h(Box, { flex: "1 1 16rem", minWidth: 0, fontSize: "sm" }, h(State, { form, told, isFresh, goTo })),
    h(VisuallyHidden, { role: "status", "aria-live": "polite" }, told),
    h(
      Flex,
      { gap: "2", flex: "none" },
      h(
        Button,
        { type: "button", variant: "outline", disabled: isClean || form.isBusy, onClick: form.discard },
        "Discard",
      ),
      h(
        Button,
        { type: "submit", colorPalette: "brand", disabled: isClean, loading: form.isBusy },
        "Save",
      ),
    ),
  );
}

function State({ form, told, isFresh, goTo }) {
  if (form.errors.length) {
    return h(Errors, { errors: form.errors, goTo });
  }
  if (form.problem) {
    return h(Text, { role: "alert", color: "fg.error" }, "Not saved. ", form.problem.detail ?? form.problem.message);
  }
  if (form.moved) {
    return h(Moved, { form });
  }
  if (form.changed.length) {
    return h(Changes, { changed: form.changed });
  }
  return h(
    Text,
    { color: isFresh ? "fg.success" : "fg.muted" },
    told || `Saved by ${byWhom(form.base.saved_by)} on ${utc(form.base.saved_at, { seconds: false })}.`,
  );
}

function Changes({ changed }) {
  const names = changed.slice(0, NAMED).map(({ label }) => label);
  const more = changed.length - names.length;
  return h(
    Box,
    null,
    h(
      Text,
      { fontWeight: "bold" },
      changed.length === 1 ? "1 change is not saved" : `${changed.length} changes are not saved`,
    ),
    h(Text, { color: "fg.muted" }, names.join(" · "), more > 0 && ` · and ${more} more`),
  );
}

function Moved({ form }) {
  return h(
    Box,
    { role: "alert" },
    h(Text, { fontWeight: "bold" }, `${byWhom(form.moved.saved_by)} saved other preferences meanwhile.`),
    h(
      Text,
      { color: "fg.muted" },
      "Your changes are still here. ",
      h(InText, { onClick: () => form.showConflict(form.moved) }, "Compare both"),
    ),
  );
}

function Errors({ errors, goTo }) {
  return h(
    Box,
    { role: "alert", color: "fg.error" },
    h(
      Text,
      { fontWeight: "bold" },
      errors.length === 1
        ? "Not saved: one setting cannot be used"
        : `Not saved: ${errors.length} settings cannot be used`,
    ),
    h(
      Flex,
      { columnGap: "3", wrap: "wrap" },
      errors.map(({ field }) =>
        h(InText, { key: field, onClick: () => goTo(field) }, labelOf(field)),
      ),
    ),
  );
}

/** A button that reads as a link within a sentence. */
function InText({ onClick, children }) {
  return h(
    Box,
    {
      as: "button",
      type: "button",
      textDecoration: "underline",
      cursor: "pointer",
      color: "inherit",
      onClick,
    },
    children,
  );
}

function labelOf(field) {
  return SETTINGS.find(({ path }) => field === path || field.startsWith(`${path}.`))?.label ?? field;
}

function savedWords({ enabled, upcoming }) {
  const next = upcoming.find(({ skipped_because: pause }) => !pause);
  if (!enabled) {
    return "Saved. The sync is off, so nothing runs by itself.";
  }
  return next
    ? `Saved. Next sync: ${utc(next.at, { seconds: false })}, for you ${local(next.at)}.`
    : "Saved. The pauses leave no day for a sync.";
}
