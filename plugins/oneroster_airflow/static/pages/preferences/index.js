/** The preferences of a site. */

import { useApi } from "../../lib/api.js";
import { Failure, Page, h } from "../../lib/ui.js";
import { PreferencesForm } from "./form.js";

const { Box, Skeleton } = globalThis.ChakraUI;
const { useParams } = globalThis.ReactRouterDOM;

const POLL_MS = 5000;
const LOGGED_OUT = 401;
const HEIGHTS = ["9rem", "10rem", "32rem", "40rem"];

/**
 * Show a site's preferences; who may not change them reads them.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Preferences({ may }) {
  const { site } = useParams();
  return h(
    Page,
    { title: "Preferences", site, may, tab: "preferences" },
    h(OfSite, { key: site, site, may }),
  );
}

function OfSite({ site, may }) {
  const { data, problem, reload } = useApi(`sites/${site}/preferences`, { every: POLL_MS });
  if (!data) {
    return problem ? h(Failure, { problem, retry: reload }) : h(Waiting);
  }
  return h(
    Box,
    null,
    problem?.status === LOGGED_OUT && h(Box, { mb: "4" }, h(Failure, { problem })),
    h(PreferencesForm, { site, may, latest: data, isStale: problem !== null, reload }),
  );
}

/** Holds the place of the groups. */
function Waiting() {
  return h(
    Box,
    { role: "status", "aria-label": "Loading" },
    HEIGHTS.map((height, index) =>
      h(Skeleton, { key: index, height, borderRadius: "8px", mb: "4" }),
    ),
  );
}
