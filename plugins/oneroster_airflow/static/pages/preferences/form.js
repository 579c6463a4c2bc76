/** The form of a site's preferences. */

import { LeaveGuard } from "../../lib/leave.js";
import { h } from "../../lib/ui.js";
import { Credited } from "./admin.js";
import { Conflict } from "./conflict.js";
import { History } from "./history.js";
import { Limits } from "./limits.js";
import { FormProvider } from "./parts.js";
import { Processing } from "./processing.js";
import { SaveBar } from "./save_bar.js";
import { Schedule } from "./schedule.js";
import { Source } from "./source.js";
import { SyncSwitch } from "./switch.js";
import { Told } from "./told.js";
import { isWithin, usePreferencesForm } from "./use_form.js";

const { Alert, Text } = globalThis.ChakraUI;
const { useCallback, useEffect, useRef } = globalThis.React;

/**
 * Show a site's preferences, to be changed by whoever may.
 *
 * @param {object} props
 * @param {string} props.site
 * @param {object} props.may
 * @param {object} props.latest The preferences as they were read last.
 * @param {boolean} props.isStale Whether reading them again failed since.
 * @param {function(): void} props.reload
 */
export function PreferencesForm({ site, may, latest, isStale, reload }) {
  const form = usePreferencesForm(site, latest, reload);
  const root = useRef(null);
  const isReadOnly = !may.administer;
  const goTo = useCallback((field) => focusOn(root.current, [{ field }]), []);
  const wrong = useRef(null);
  wrong.current = form.errors;

  useEffect(() => {
    if (form.refusals) {
      focusOn(root.current, wrong.current);
    }
  }, [form.refusals]);

  return h(
    FormProvider,
    { value: { ...form, latest, isReadOnly } },
    isReadOnly && !may.archivedAt && h(ReadOnly),
    h(SyncSwitch, { latest, isStale, isReadOnly, isEdited: form.changed.length > 0, reload }),
    h(
      "form",
      {
        ref: root,
        noValidate: true,
        "aria-label": "Preferences",
        onSubmit: (event) => {
          event.preventDefault();
          if (!isReadOnly && form.changed.length && !form.isBusy) {
            form.save();
          }
        },
      },
      h(Credited),
      h(Schedule),
      h(Processing),
      h(Limits),
      h(Told),
      h(Source),
      !isReadOnly && h(SaveBar, { form, enabled: latest.enabled, goTo }),
    ),
    may.details && h(History, { site, state: `${latest.version} ${latest.enabled}` }),
    h(Conflict, { form }),
    h(
      LeaveGuard,
      { when: form.changed.length > 0, title: "Leave without saving?", leave: "Leave without saving" },
      h(
        Text,
        null,
        "What you changed is lost: ",
        form.changed.map(({ label }) => label).join(", "),
        ".",
      ),
    ),
  );
}

function ReadOnly() {
  return h(
    Alert.Root,
    { status: "info", mb: "4" },
    h(Alert.Indicator),
    h(
      Alert.Content,
      null,
      h(Alert.Title, null, "You can read these preferences"),
      h(
        Alert.Description,
        null,
        "Only administrators of Airflow change them. Ask one of them, or somebody who gives you that role.",
      ),
    ),
  );
}

/** Move the focus to the first setting that is named, in the order of the page. */
function focusOn(root, errors) {
  const named = [...root.querySelectorAll("[data-setting]")].filter(({ dataset }) =>
    errors.some(({ field }) => isWithin(field, dataset.setting)),
  );
  const box = named.find((one) => !named.some((other) => other !== one && one.contains(other)));
  const control =
    box?.querySelector("[aria-invalid=true]") ??
    box?.querySelector("input:not([readonly]), button");
  box?.scrollIntoView({ block: "center" });
  control?.focus({ preventScroll: true });
}
