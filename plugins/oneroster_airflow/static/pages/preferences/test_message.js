/** A message to see that messages arrive. */

import { post } from "../../lib/api.js";
import { Failure, h } from "../../lib/ui.js";
import { useForm } from "./parts.js";

const { Box, Button, Link: Anchor, Text } = globalThis.ChakraUI;
const { Link } = globalThis.ReactRouterDOM;
const { useId, useState } = globalThis.React;

/** A button that sends a message by every way that has been saved, and where to see what came of it. */
export function TestMessage() {
  const { base, changed, site } = useForm();
  const [state, setState] = useState(IDLE);
  const id = useId();
  const why = whyNot(base.settings.notices, changed);
  const send = async () => {
    setState({ ...IDLE, isBusy: true });
    try {
      setState({ ...IDLE, asked: await post(`sites/${site}/notices/test`) });
    } catch (problem) {
      setState({ ...IDLE, problem });
    }
  };
  return h(
    Box,
    { maxWidth: "48rem" },
    h(
      Button,
      {
        type: "button",
        size: "sm",
        variant: "outline",
        disabled: why !== null,
        loading: state.isBusy,
        "aria-describedby": id,
        onClick: send,
      },
      "Send a test message",
    ),
    h(
      Box,
      { id, role: "status", color: "fg.muted", fontSize: "sm", mt: "1", minHeight: "1.5em" },
      why ?? (state.asked ? h(OnItsWay, { asked: state.asked }) : WHERE_TO),
    ),
    state.problem && h(Box, { mt: "2" }, h(Failure, { problem: state.problem })),
  );
}

const IDLE = { isBusy: false, asked: null, problem: null };
const WHERE_TO = "It goes by every way above, whatever is ticked.";

function whyNot({ recipients, channels }, changed) {
  if (changed.length > 0) {
    return "Save first: a test message goes by what has been saved.";
  }
  return recipients.length + channels.length > 0
    ? null
    : "Nobody is told yet. Give an address or a channel, and save.";
}

function OnItsWay({ asked: { dag_id: dagId, dag_run_id: runId } }) {
  const to = `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  return h(
    Text,
    { as: "span" },
    h(Text, { as: "span", color: "fg.success" }, "The test message is on its way. "),
    "When it does not arrive, the log of the task test tells why: ",
    h(
      Anchor,
      { asChild: true, color: "fg.info", textDecoration: "underline" },
      h(Link, { to }, "see the DAG run"),
    ),
    ".",
  );
}
