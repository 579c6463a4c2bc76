/** A dialog that asks before it acts, and says when the act was not possible. */

import { Button, CloseButton, Dialog, Field, Text, Textarea } from "@chakra-ui/react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "../../lib/api";
import { Framed } from "../../lib/dialogs";

/**
 * Ask, act, and stay open with the problem when the act fails.
 *
 * @param props.verb What the button says.
 * @param props.disabled Whether it can't be done as it stands.
 * @param props.act Gets the reason.
 * @param props.onConflict Called when somebody else was first.
 * @param props.children What is asked.
 */
export function Ask({
  open,
  close,
  title,
  verb,
  asksReason,
  isDanger,
  disabled,
  act,
  onConflict,
  children,
}: {
  open: boolean;
  close: () => void;
  title: string;
  verb: string;
  asksReason?: boolean;
  isDanger?: boolean;
  disabled?: boolean;
  act: (reason: string) => Promise<void>;
  onConflict?: (problem: Problem) => void;
  children: ReactNode;
}) {
  const [reason, setReason] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const cancel = useRef<HTMLButtonElement>(null);

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
      const refused = asProblem(caught);
      if (refused.status === 409 && onConflict) {
        close();
        onConflict(refused);
      } else {
        setProblem(refused);
      }
    } finally {
      setIsBusy(false);
    }
  }

  return (
    <Framed
      open={open}
      role="alertdialog"
      scrollBehavior="inside"
      closeOnInteractOutside={false}
      initialFocusEl={() => cancel.current}
      onOpenChange={(details) => !details.open && !isBusy && close()}
    >
      <Dialog.Header>
        <Dialog.Title>{title}</Dialog.Title>
      </Dialog.Header>
      <Dialog.Body>
        {children}
        {asksReason && (
          <Field.Root mt="4">
            <Field.Label>Reason (optional)</Field.Label>
            <Textarea
              value={reason}
              rows={2}
              maxLength={500}
              onChange={(event) => setReason(event.target.value)}
            />
            <Field.HelperText>Kept in the audit, and shown with this run.</Field.HelperText>
          </Field.Root>
        )}
        {problem && (
          <Text role="alert" color="error.fg" mt="3">
            {problem.detail ?? problem.message}
          </Text>
        )}
      </Dialog.Body>
      <Dialog.Footer>
        <Button ref={cancel} variant="outline" disabled={isBusy} onClick={close}>
          Cancel
        </Button>
        <Button
          colorPalette={isDanger ? "danger" : "brand"}
          loading={isBusy}
          disabled={disabled}
          onClick={go}
        >
          {verb}
        </Button>
      </Dialog.Footer>
      <Dialog.CloseTrigger asChild>
        <CloseButton size="sm" disabled={isBusy} aria-label="Close" />
      </Dialog.CloseTrigger>
    </Framed>
  );
}
