/** A dialog that asks before it acts, and says when the act was not possible. */

import { Framed, h } from "../../lib/ui.js";

const { Button, CloseButton, Dialog, Field, Text, Textarea } = globalThis.ChakraUI;
const { useEffect, useRef, useState } = globalThis.React;

/**
 * Ask, act, and stay open with the problem when the act fails.
 *
 * @param {object} props
 * @param {boolean} props.open
 * @param {function(): void} props.close
 * @param {string} props.title
 * @param {string} props.verb What the button says.
 * @param {boolean} [props.asksReason]
 * @param {boolean} [props.isDanger]
 * @param {boolean} [props.disabled] Whether it can't be done as it stands.
 * @param {function(string): Promise<void>} props.act Gets the reason.
 * @param {function(Error): void} [props.onConflict] Called when somebody else was first.
 * @param {*} props.children What is asked.
 */
export function Ask({ open, close, title, verb, asksReason, isDanger, disabled, act, onConflict, children }) {
  const [reason, setReason] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const cancel = useRef(null);

  useEffect(() => {
    if (open) {
      setReason("");
      setProblem(null);
    }
  }, [open]);

  async function go() {
    setIsBusy(true);
    setProblem(null);
    try {
      await act(reason.trim());
      close();
    } catch (caught) {
      if (caught.status === 409 && onConflict) {
        close();
        onConflict(caught);
      } else {
        setProblem(caught);
      }
    } finally {
      setIsBusy(false);
    }
  }

  return h(
    Framed,
    {
      open,
      role: "alertdialog",
      scrollBehavior: "inside",
      closeOnInteractOutside: false,
      initialFocusEl: () => cancel.current,
      onOpenChange: (details) => !details.open && !isBusy && close(),
    },
    h(Dialog.Header, null, h(Dialog.Title, null, title)),
    h(
      Dialog.Body,
      null,
      children,
      asksReason &&
        h(
          Field.Root,
          { mt: "4" },
          h(Field.Label, null, "Reason (optional)"),
          h(Textarea, {
            value: reason,
            rows: 2,
            maxLength: 500,
            onChange: (event) => setReason(event.target.value),
          }),
          h(Field.HelperText, null, "Kept in the audit, and shown with this run."),
        ),
      problem &&
        h(
          Text,
          { role: "alert", color: "error.fg", mt: "3" },
          problem.detail ?? problem.message,
        ),
    ),
    h(
      Dialog.Footer,
      null,
      h(
        Button,
        { ref: cancel, variant: "outline", disabled: isBusy, onClick: close },
        "Cancel",
      ),
      h(
        Button,
        { colorPalette: isDanger ? "danger" : "brand", loading: isBusy, disabled, onClick: go },
        verb,
      ),
    ),
    h(
      Dialog.CloseTrigger,
      { asChild: true },
      h(CloseButton, { size: "sm", disabled: isBusy, "aria-label": "Close" }),
    ),
  );
}
