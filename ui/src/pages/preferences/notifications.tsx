/** Notifications: recipients, channels, topics with previews of their messages, and a test message. */

import { Box, Button, Grid, Link as Anchor, Text } from "@chakra-ui/react";
import { useId, useState } from "react";
import { Link } from "react-router-dom";
import { asProblem, post, type Problem } from "../../lib/api";
import type { Asked, Notices, Topic } from "../../lib/openapi";
import { Failure } from "../../lib/ui";
import { PreviewButton } from "./message_preview";
import { LinesBox, Section, Setting, Tick, useForm } from "./fields";
import type { SectionOf } from "./sections";
import type { Described } from "./settings";
import { TOPIC_TEXTS } from "./texts";
import { NumberRow } from "./thresholds";

const TOPIC_NAMES = Object.keys(TOPIC_TEXTS) as Topic[];

/** The section about messages. */
export function Notifications({ section }: { section: SectionOf }) {
  return (
    <Section section={section}>
      <Lines path="notices.recipients" placeholder="name@district.org" />
      <Lines path="notices.channels" placeholder="oneroster_slack" />
      <Topics />
      <NumberRow path="notices.errors_from" unit="rows" />
      <NumberRow path="stale_after_days" unit="days" placeholder="never" />
      <NumberRow path="done_within_hours" unit="hours" placeholder="never" />
      <TestMessage />
    </Section>
  );
}

function Lines({ path, placeholder }: { path: string; placeholder: string }) {
  return (
    <Setting path={path}>
      {(control) => <LinesBox {...control} path={path} placeholder={placeholder} />}
    </Setting>
  );
}

function Topics() {
  const { draft, change, site } = useForm();
  const path = "notices.topics";
  const chosen = draft.notices.topics;
  const set = (topic: Topic, isOn: boolean) => {
    const topics = isOn ? [...chosen, topic] : chosen.filter((one) => one !== topic);
    change(
      path,
      TOPIC_NAMES.filter((one) => topics.includes(one)),
    );
  };
  return (
    <Setting path={path} group help={null}>
      {() => (
        <Grid
          columnGap="6"
          rowGap="2"
          templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}
        >
          {TOPIC_NAMES.map((topic) => (
            <Box key={topic}>
              <Tick
                checked={chosen.includes(topic)}
                label={TOPIC_TEXTS[topic].label}
                help={TOPIC_TEXTS[topic].help}
                onChange={(isOn) => set(topic, isOn)}
              />
              <PreviewButton site={site} topic={topic} />
            </Box>
          ))}
        </Grid>
      )}
    </Setting>
  );
}

/** A button that sends a message through every saved channel, with a link to its result. */
export function TestMessage() {
  const { base, changed, site } = useForm();
  const [state, setState] = useState<TestState>(IDLE);
  const id = useId();
  const why = whyNot(base.settings.notices, changed);
  const send = async () => {
    setState({ ...IDLE, isBusy: true });
    try {
      setState({ ...IDLE, asked: await post(`sites/${site}/notices/test`) });
    } catch (caught) {
      setState({ ...IDLE, problem: asProblem(caught) });
    }
  };
  return (
    <Box maxWidth="48rem">
      <Button
        type="button"
        size="sm"
        variant="outline"
        disabled={why !== null}
        loading={state.isBusy}
        aria-describedby={id}
        onClick={send}
      >
        Send a test message
      </Button>
      <Box id={id} role="status" color="fg.muted" fontSize="sm" mt="1" minHeight="1.5em">
        {why ?? (state.asked ? <OnItsWay asked={state.asked} /> : WHERE_TO)}
      </Box>
      {state.problem && (
        <Box mt="2">
          <Failure problem={state.problem} />
        </Box>
      )}
    </Box>
  );
}

/** The state of the test message. */
interface TestState {
  isBusy: boolean;
  asked: Asked | null;
  problem: Problem | null;
}

const IDLE: TestState = { isBusy: false, asked: null, problem: null };

const WHERE_TO = "It is sent to all addresses and channels, whichever topics are ticked.";

function whyNot({ recipients, channels }: Notices, changed: Described[]) {
  if (changed.length > 0) {
    return "Save first: a test message uses the saved addresses and channels.";
  }
  return recipients.length + channels.length > 0
    ? null
    : "There are no recipients yet. Add an address or a channel, and save.";
}

function OnItsWay({ asked: { dag_id: dagId, dag_run_id: runId } }: { asked: Asked }) {
  const to = `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  return (
    <Text as="span">
      <Text as="span" color="fg.success">
        The test message is on its way.{" "}
      </Text>
      If it does not arrive, the log of the task test shows the reason:{" "}
      <Anchor asChild color="fg.info" textDecoration="underline">
        <Link to={to}>see the DAG run</Link>
      </Anchor>
      .
    </Text>
  );
}
