/** Starting a sync from the site's own source, without waiting for its time. */

import { post, useApi } from "../../lib/api.js";
import { Confirm, Failure, HOME, h } from "../../lib/ui.js";

const { Box, Button, Code, Link: Anchor, Skeleton, Text } = globalThis.ChakraUI;
const { Link, useNavigate } = globalThis.ReactRouterDOM;
const { Fragment, useState } = globalThis.React;

/**
 * Offer to sync now, and say what from.
 *
 * @param {object} props
 * @param {string} props.site
 */
export function SyncNow({ site }) {
  const [open, setOpen] = useState(false);
  const { data, problem, reload } = useApi(open ? `sites/${site}/preferences` : null);
  const navigate = useNavigate();
  const missing = data ? missingOf(data) : null;
  const start = async () => {
    const made = await post(`sites/${site}/runs`);
    const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
    navigate(`${HOME}/runs/${made.run_id}?${query}`);
  };
  return h(
    Fragment,
    null,
    h(Button, { size: "sm", variant: "outline", onClick: () => setOpen(true) }, "Sync now…"),
    h(
      Confirm,
      {
        open,
        onClose: () => setOpen(false),
        title: "Sync now?",
        verb: "Sync now",
        disabled: !data || missing !== null,
        onConfirm: start,
      },
      h(
        Box,
        { minHeight: "5rem" },
        problem && !data && h(Failure, { problem, retry: reload }),
        !problem && !data && h(Skeleton, { height: "5rem" }),
        missing && h(Missing, { site, missing }),
        data && !missing && h(WhatFollows, { source: data.settings.source }),
      ),
    ),
  );
}

function missingOf({ enabled, settings }) {
  if (!settings.source) {
    return "This site has no source yet, so there is nothing to read. Name one in the preferences, or upload a package.";
  }
  if (enabled === null) {
    return "Airflow has not read this site's DAG yet. Try again in a few minutes.";
  }
  if (!enabled) {
    return "The sync of this site is off. Switch it on in the preferences, or upload a package.";
  }
  return null;
}

function Missing({ site, missing }) {
  return h(
    Fragment,
    null,
    h(Text, { mb: "3" }, missing),
    h(
      Box,
      { display: "flex", gap: "4" },
      h(To, { to: `${HOME}/sites/${site}/preferences` }, "Preferences"),
      h(To, { to: `${HOME}/sites/${site}/upload` }, "Upload"),
    ),
  );
}

function To({ to, children }) {
  return h(Anchor, { asChild: true, color: "fg.info" }, h(Link, { to }, children));
}

function WhatFollows({ source }) {
  return h(
    Fragment,
    null,
    h(
      Text,
      { mb: "3" },
      "Reads the newest package of ",
      h(Code, { overflowWrap: "anywhere", whiteSpace: "normal" }, source),
      " and applies its plan, if that stays within the site's limits.",
    ),
    h(
      Text,
      { color: "fg.muted", fontSize: "sm" },
      "Beyond them, nothing is applied until an administrator has looked. Scheduled syncs run as before.",
    ),
  );
}
