/** Who is credited: the account that is recorded as author of every change. */

import { Section, Setting, useForm } from "./parts.js";
import { AccountBox } from "./account_box.js";
import { h } from "../../lib/ui.js";

const { Alert } = globalThis.ChakraUI;

/** The group of settings about the credited administrator. */
export function Credited() {
  const { base, draft, change, isReadOnly, site } = useForm();
  const isGone =
    !base.credited_admin_active &&
    base.settings.credited_admin &&
    draft.credited_admin === base.settings.credited_admin;
  return h(
    Section,
    {
      title: "Who is credited",
      hint: "Every change that a sync makes is recorded under a person's name.",
    },
    h(
      Setting,
      {
        path: "credited_admin",
        label: "Administrator",
        required: true,
        help: "The history of every user, course and assignment names this account as the author of what syncs change. It needs no password and sends no mail; it has to be active.",
      },
      (control) =>
        h(AccountBox, {
          ...control,
          site,
          value: draft.credited_admin,
          isReadOnly,
          onChange: (email) => change("credited_admin", email),
        }),
    ),
    isGone &&
      h(
        Alert.Root,
        { status: "warning", maxWidth: "48rem" },
        h(Alert.Indicator),
        h(
          Alert.Content,
          null,
          h(Alert.Title, null, "This account is not active any more"),
          h(
            Alert.Description,
            null,
            "Until another one is chosen every sync fails before it changes anything.",
          ),
        ),
      ),
  );
}
