/** What few sites need: the rollover, how files are read, and further limits. */

import { Grid } from "@chakra-ui/react";
import { Choices, Section, Select } from "./fields";
import { EndedTerms, Rollover } from "./pauses";
import type { SectionOf } from "./sections";
import { MoreLimits, NumberRow } from "./thresholds";

/** The section with all that is in no other one. */
export function Advanced({ section }: { section: SectionOf }) {
  return (
    <Section section={section}>
      <Rollover />
      <EndedTerms />
      <Choices path="profile" />
      <Grid
        gap="5"
        maxWidth="64rem"
        templateColumns={{ base: "minmax(0, 1fr)", lg: "repeat(3, minmax(0, 1fr))" }}
      >
        <Select path="encoding" />
        <Select path="delimiter" />
        <Select path="date_order" />
      </Grid>
      <NumberRow path="stale_protection_runs" unit="syncs" />
      <MoreLimits />
    </Section>
  );
}
