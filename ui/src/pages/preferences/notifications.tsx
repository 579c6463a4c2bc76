/** Notifications: who is told of what, in which way, and a test message. */

import { Box, Button, Code, Grid, Link as Anchor, Text } from "@chakra-ui/react";
import { useId, useState } from "react";
import { Link } from "react-router-dom";
import { asProblem, post, type Problem } from "../../lib/api";
import type { Asked, Notices, Topic } from "../../lib/openapi";
import { Failure } from "../../lib/ui";
import { LinesBox, NumberBox, Section, Setting, Tick, useForm } from "./fields";
import { type Described, type Settings, TOPICS } from "./settings";

const TOPIC_NAMES = Object.keys(TOPICS) as Topic[];

const MEANINGS: Record<Topic, (settings: Settings) => string> = {
  held: () => "A plan is held until an administrator approves or discards it.",
  failed: () => "A sync could not be completed.",
  rejected: () => "A package cannot be used at all.",
  unapplied: () => "Several syncs in a row were not applied.",
  errors: ({ notices }) =>
    `A run met ${notices.errors_from ?? "so many"} or more rows that it could not use.`,
  stale: ({ stale_after_days: days }) =>
    days
      ? `No new export has come for ${days === 1 ? "a day" : `${days} days`}.`
      : "Never: no number of days is set below.",
  digest: () => "On Mondays: what the syncs of the week came to.",
};

/** The group of settings about messages. */
export function Told() {
  const { isReadOnly } = useForm();
  return (
    <Section
      title="Notifications"
      hint="Messages say what happened and what to do, and lead to the run. They name nobody, and come once for each cause."
    >
      <Recipients />
      <Channels />
      <Topics />
      <ErrorsFrom />
      <StaleAfter />
      <DoneWithin />
      {!isReadOnly && <TestMessage />}
    </Section>
  );
}

function Recipients() {
  const path = "notices.recipients";
  return (
    <Setting
      path={path}
      label="E-mail addresses"
      help={[
        "One on each line. Mail goes by the Airflow connection ",
        <Code key="id" size="sm">
          smtp_default
        </Code>,
        ", which has to name a sender.",
      ]}
    >
      {(control) => <LinesBox {...control} path={path} placeholder="name@district.org" />}
    </Setting>
  );
}

function Channels() {
  const path = "notices.channels";
  return (
    <Setting
      path={path}
      label="Channels"
      help={[
        "Ids of Airflow connections of the type Apprise, one on each line: Slack, Teams, webhooks and the like. An administrator of Airflow makes them under Admin, Connections, such as ",
        <Code key="id" size="sm">
          oneroster_slack
        </Code>,
        ".",
      ]}
    >
      {(control) => <LinesBox {...control} path={path} placeholder="oneroster_slack" />}
    </Setting>
  );
}

function Topics() {
  const { draft, settings, change, isReadOnly } = useForm();
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
    <Setting path={path} label="Notify about" group>
      {() => (
        <Grid
          columnGap="6"
          rowGap="3"
          templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}
        >
          {TOPIC_NAMES.map((topic) => (
            <Tick
              key={topic}
              checked={chosen.includes(topic)}
              disabled={isReadOnly}
              label={TOPICS[topic]}
              help={MEANINGS[topic](settings)}
              onChange={(isOn) => set(topic, isOn)}
            />
          ))}
        </Grid>
      )}
    </Setting>
  );
}

function ErrorsFrom() {
  const path = "notices.errors_from";
  return (
    <Setting
      path={path}
      label="Alert from this many rows with errors"
      help="Single bad rows are no news: a run tells of its errors from this number on."
    >
      {(control) => <NumberBox {...control} path={path} unit="rows" />}
    </Setting>
  );
}

function StaleAfter() {
  const path = "stale_after_days";
  return (
    <Setting
      path={path}
      label="Alert if no new export for this many days"
      help="A package is new when no run has read the very same one before. Days of pauses do not count. Left empty, nobody is told, and the list of runs does not warn either."
    >
      {(control) => <NumberBox {...control} path={path} unit="days" placeholder="never" />}
    </Setting>
  );
}

function DoneWithin() {
  const path = "done_within_hours";
  return (
    <Setting
      path={path}
      label="Alert if a scheduled sync is not done within this many hours"
      help="Counted from the time of the schedule, and judged once a day at 06:00 UTC. Left empty, nobody is told."
    >
      {(control) => <NumberBox {...control} path={path} unit="hours" placeholder="never" />}
    </Setting>
  );
}

/** A button that sends a message by every way that has been saved, and where to see what came of it. */
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

/** How the test message stands. */
interface TestState {
  isBusy: boolean;
  asked: Asked | null;
  problem: Problem | null;
}

const IDLE: TestState = { isBusy: false, asked: null, problem: null };

const WHERE_TO = "It goes by every way above, whatever is ticked.";

function whyNot({ recipients, channels }: Notices, changed: Described[]) {
  if (changed.length > 0) {
    return "Save first: a test message goes by what has been saved.";
  }
  return recipients.length + channels.length > 0
    ? null
    : "Nobody is notified yet. Add an address or a channel, and save.";
}

function OnItsWay({ asked: { dag_id: dagId, dag_run_id: runId } }: { asked: Asked }) {
  const to = `/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`;
  return (
    <Text as="span">
      <Text as="span" color="fg.success">
        The test message is on its way.{" "}
      </Text>
      When it does not arrive, the log of the task test tells why:{" "}
      <Anchor asChild color="fg.info" textDecoration="underline">
        <Link to={to}>see the DAG run</Link>
      </Anchor>
      .
    </Text>
  );
}
