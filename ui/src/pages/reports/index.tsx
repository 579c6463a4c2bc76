/** Reports of a site: its roster over time, and who decided what in a month. */

import { Stack } from "@chakra-ui/react";
import { useParams } from "react-router-dom";
import { type May, Page } from "../../lib/ui";
import { Decisions } from "./decisions";
import { RosterOverTime } from "./roster";

/**
 * Show the reports of a site.
 *
 * @param props.may What the viewer may do.
 */
export function Reports({ may }: { may: May }) {
  const { site = "" } = useParams();
  return (
    <Page title="Reports" site={site} may={may} tab="reports">
      <Stack key={site} gap="4">
        <RosterOverTime site={site} />
        <Decisions site={site} />
      </Stack>
    </Page>
  );
}
