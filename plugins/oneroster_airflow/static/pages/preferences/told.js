/** Being told: who hears of what, and by which way. */

import { h } from "../../lib/ui.js";
import { LinesBox } from "./boxes.js";
import { TOPICS } from "./in_words.js";
import { NumberBox, Section, Setting, Tick, useForm } from "./parts.js";
import { TestMessage } from "./test_message.js";

const { Code, Grid } = globalThis.ChakraUI;

const MEANINGS = {
  held: () => "A plan is held, and somebody has to decide.",
  failed: () => "A run could not go on.",
  rejected: () => "A package cannot be used at all.",
  errors: ({ notices }) => `A run met ${notices.errors_from ?? "so many"} or more rows that it could not use.`,
  stale: ({ stale_after_days: days }) =>
    days ? `No new package has come for ${days === 1 ? "a day" : `${days} days`}.` : "Never: no number of days is given below.",
  digest: () => "On Mondays: what the runs of the week came to.",
};

/** The group of settings about messages. */
export function Told() {
  const { isReadOnly } = useForm();
  return h(
    Section,
    {
      title: "Being told",
      hint: "Messages say what happened and what to do, and lead to the run. They name nobody, and come once for each cause.",
    },
    h(Recipients),
    h(Channels),
    h(Topics),
    h(ErrorsFrom),
    h(StaleAfter),
    !isReadOnly && h(TestMessage),
  );
}

function Recipients() {
  const path = "notices.recipients";
  return h(
    Setting,
    {
      path,
      label: "E-mail addresses",
      help: [
        "One on each line. Mail goes by the Airflow connection ",
        h(Code, { key: "id", size: "sm" }, "smtp_default"),
        ", which has to name a sender.",
      ],
    },
    (control) => h(LinesBox, { ...control, path, placeholder: "Nobody gets a mail" }),
  );
}

function Channels() {
  const path = "notices.channels";
  return h(
    Setting,
    {
      path,
      label: "Channels",
      help: [
        "Ids of Airflow connections of the type Apprise, one on each line: Slack, Teams, webhooks and the like. An administrator of Airflow makes them under Admin, Connections, such as ",
        h(Code, { key: "id", size: "sm" }, "oneroster_slack"),
        ".",
      ],
    },
    (control) => h(LinesBox, { ...control, path, placeholder: "No channel is told" }),
  );
}

function Topics() {
  const { draft, settings, change, isReadOnly } = useForm();
  const path = "notices.topics";
  const chosen = draft.notices.topics;
  const set = (topic, isOn) => {
    const topics = isOn ? [...chosen, topic] : chosen.filter((one) => one !== topic);
    change(path, Object.keys(TOPICS).filter((one) => topics.includes(one)));
  };
  return h(
    Setting,
    { path, label: "What people are told", group: true },
    () =>
      h(
        Grid,
        {
          columnGap: "6",
          rowGap: "3",
          templateColumns: { base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" },
        },
        Object.entries(TOPICS).map(([topic, label]) =>
          h(Tick, {
            key: topic,
            checked: chosen.includes(topic),
            disabled: isReadOnly,
            label,
            help: MEANINGS[topic](settings),
            onChange: (isOn) => set(topic, isOn),
          }),
        ),
      ),
  );
}

function ErrorsFrom() {
  const path = "notices.errors_from";
  return h(
    Setting,
    {
      path,
      label: "Many errors, from so many rows on",
      help: "Single bad rows are no news: a run tells of its errors from this number on.",
    },
    (control) => h(NumberBox, { ...control, path, unit: "rows" }),
  );
}

function StaleAfter() {
  const path = "stale_after_days";
  return h(
    Setting,
    {
      path,
      label: "Nothing new, after so many days",
      help: "A package is new when no run has read the very same one before. Days of pauses do not count. Left empty, nobody is told, and the list of runs does not warn either.",
    },
    (control) => h(NumberBox, { ...control, path, unit: "days", placeholder: "never" }),
  );
}
