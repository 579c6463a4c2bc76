/** Keeps people from losing what they have begun: asks before a page is left. */

import { Framed, h } from "./ui.js";

const { Button, Dialog } = globalThis.ChakraUI;
const { useBlocker } = globalThis.ReactRouterDOM;
const { useEffect } = globalThis.React;

/**
 * Ask before the page is left, by a link of ours or of Airflow, or by the browser itself.
 *
 * @param {object} props
 * @param {boolean} props.when Whether there is something to lose.
 * @param {string} props.title What is asked.
 * @param {string} props.leave What the button says that leaves.
 * @param {string} [props.stay] What the button says that stays.
 * @param {*} props.children What would be lost.
 */
export function LeaveGuard({ when, title, leave, stay = "Stay", children }) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) =>
      when && currentLocation.pathname !== nextLocation.pathname,
  );
  useEffect(() => {
    if (!when) {
      return undefined;
    }
    const ask = (event) => event.preventDefault();
    globalThis.addEventListener("beforeunload", ask);
    return () => globalThis.removeEventListener("beforeunload", ask);
  }, [when]);
  const remain = () => blocker.state === "blocked" && blocker.reset();
  return h(
    Framed,
    {
      open: blocker.state === "blocked",
      onOpenChange: (event) => !event.open && remain(),
      role: "alertdialog",
      lazyMount: true,
      unmountOnExit: true,
    },
    h(Dialog.Header, null, h(Dialog.Title, null, title)),
    h(Dialog.Body, null, children),
    h(
      Dialog.Footer,
      null,
      h(Button, { variant: "outline", onClick: () => blocker.proceed() }, leave),
      h(Button, { colorPalette: "brand", onClick: remain }, stay),
    ),
  );
}
