/** What stands over a page, or opens in it when one asks: dialogs, questions and disclosures. */

import {
  Box,
  Button,
  CloseButton,
  Dialog,
  type DialogContentProps,
  type DialogRootProps,
  Portal,
} from "@chakra-ui/react";
import { type FormHTMLAttributes, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useBlocker } from "react-router-dom";
import { asProblem, type Problem } from "./api";
import { Failure } from "./ui";

/**
 * The frame of a dialog: over the page, in its middle, never wider than the window.
 *
 * @param props.content What its content takes, such as the events of a form.
 */
export function Framed({
  content = null,
  children,
  ...root
}: {
  content?: (DialogContentProps & Pick<FormHTMLAttributes<HTMLElement>, "noValidate">) | null;
  children: ReactNode;
} & Omit<DialogRootProps, "children">) {
  return (
    <Dialog.Root placement="center" {...root}>
      <Portal>
        <Dialog.Backdrop />
        <Dialog.Positioner px="2">
          <Dialog.Content {...content}>{children}</Dialog.Content>
        </Dialog.Positioner>
      </Portal>
    </Dialog.Root>
  );
}

/**
 * Asks before something is done, and shows why it could not be.
 *
 * @param props.verb What the button does.
 * @param props.disabled Whether it can't be done now.
 * @param props.onConfirm Closes the dialog when it resolves.
 */
export function Confirm({
  open,
  onClose,
  title,
  verb,
  palette = "brand",
  disabled = false,
  onConfirm,
  children,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  verb: string;
  palette?: string;
  disabled?: boolean;
  onConfirm: () => Promise<void>;
  children: ReactNode;
}) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const cancel = useRef<HTMLButtonElement>(null);
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
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Framed
      open={open}
      onOpenChange={(event) => !event.open && !busy && close()}
      initialFocusEl={() => cancel.current}
      role="alertdialog"
    >
      <Dialog.Header>
        <Dialog.Title>{title}</Dialog.Title>
      </Dialog.Header>
      <Dialog.Body>
        {children}
        {problem && (
          <Box mt="3">
            <Failure problem={problem} />
          </Box>
        )}
      </Dialog.Body>
      <Dialog.Footer>
        <Button ref={cancel} variant="outline" disabled={busy} onClick={close}>
          Cancel
        </Button>
        <Button colorPalette={palette} loading={busy} disabled={disabled} onClick={act}>
          {verb}
        </Button>
      </Dialog.Footer>
      <Dialog.CloseTrigger asChild>
        <CloseButton size="sm" />
      </Dialog.CloseTrigger>
    </Framed>
  );
}

/** Show a button, and what it opens below it. */
export function Disclosure({
  label,
  isOpen,
  onToggle,
  children,
}: {
  label: string;
  isOpen: boolean;
  onToggle: (value: boolean) => void;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Box>
      <Button
        type="button"
        size="sm"
        variant="ghost"
        ms="-3"
        height="auto"
        minHeight="9"
        whiteSpace="normal"
        textAlign="start"
        _expanded={{ bg: "transparent" }}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => onToggle(!isOpen)}
      >
        <Box as="span" aria-hidden>
          {isOpen ? "▾" : "▸"}
        </Box>
        {label}
      </Button>
      <Box id={id} hidden={!isOpen} mt="3">
        {children}
      </Box>
    </Box>
  );
}

/**
 * Ask before the page is left, by a link of ours or of Airflow, or by the browser itself.
 *
 * @param props.when Whether there is something to lose.
 * @param props.title What is asked.
 * @param props.leave What the button says that leaves.
 * @param props.stay What the button says that stays.
 * @param props.children What would be lost.
 */
export function LeaveGuard({
  when,
  title,
  leave,
  stay = "Stay",
  children,
}: {
  when: boolean;
  title: string;
  leave: string;
  stay?: string;
  children: ReactNode;
}) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) =>
      when && currentLocation.pathname !== nextLocation.pathname,
  );
  useEffect(() => {
    if (!when) {
      return undefined;
    }
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    globalThis.addEventListener("beforeunload", ask);
    return () => globalThis.removeEventListener("beforeunload", ask);
  }, [when]);
  const remain = () => blocker.state === "blocked" && blocker.reset();
  return (
    <Framed
      open={blocker.state === "blocked"}
      onOpenChange={(event) => !event.open && remain()}
      role="alertdialog"
      lazyMount
      unmountOnExit
    >
      <Dialog.Header>
        <Dialog.Title>{title}</Dialog.Title>
      </Dialog.Header>
      <Dialog.Body>{children}</Dialog.Body>
      <Dialog.Footer>
        <Button variant="outline" onClick={() => blocker.proceed?.()}>
          {leave}
        </Button>
        <Button colorPalette="brand" onClick={remain}>
          {stay}
        </Button>
      </Dialog.Footer>
    </Framed>
  );
}
