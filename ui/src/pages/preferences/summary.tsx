/** The preferences as those read them who may not change them. */

import { Alert, Box, Flex, Grid, Heading, Text } from "@chakra-ui/react";
import type { PreferencesState } from "../../lib/openapi";
import { planned, useZone } from "../../lib/time";
import { Calendar } from "./calendar";
import { GuideLink } from "../../lib/guide";
import { SECTIONS, type SectionOf, sectionOf } from "./sections";
import {
  inWords,
  limitInWords,
  type LimitName,
  SETTINGS,
  type Settings,
  valueAt,
} from "./settings";
import { TEXTS } from "./texts";

const LIMIT = /^guards\.(\w+)\.percent$/;

/** Show every setting with its value, section by section. */
export function Summary({
  site,
  latest,
  isArchived,
}: {
  site: string;
  latest: PreferencesState;
  isArchived: boolean;
}) {
  return (
    <Box>
      {!isArchived && (
        <Alert.Root status="info" mb="4">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>You can read these preferences</Alert.Title>
            <Alert.Description>Administrators of Airflow change them.</Alert.Description>
          </Alert.Content>
        </Alert.Root>
      )}
      <Grid
        columnGap="8"
        rowGap="6"
        alignItems="start"
        templateColumns={{ base: "minmax(0, 1fr)", xl: "minmax(0, 1fr) 27rem" }}
      >
        <Grid
          gap="6"
          alignItems="start"
          templateColumns={{ base: "minmax(0, 1fr)", md: "repeat(2, minmax(0, 1fr))" }}
        >
          {SECTIONS.map((section) => (
            <Part key={section.id} section={section} latest={latest} />
          ))}
        </Grid>
        <Calendar site={site} from={latest.upcoming[0]?.at} schedule={null} />
      </Grid>
    </Box>
  );
}

function Part({ section, latest }: { section: SectionOf; latest: PreferencesState }) {
  const zone = useZone();
  const lines = linesOf(section, latest.settings);
  if (section.id === "schedule") {
    const next = latest.next_run
      ? planned(latest.next_run, zone, latest.settings.time_zone)
      : "none";
    lines.unshift(
      [TEXTS.enabled.label, latest.enabled ? "enabled" : "off"],
      ["Next run", latest.enabled ? next : "none"],
    );
  }
  return (
    <Box as="section" aria-label={section.label} minWidth="0">
      <Flex align="center" gap="2" mb="2">
        <Heading as="h2" size="md">
          {section.label}
        </Heading>
        <GuideLink page={section.guide} about={section.label} />
      </Flex>
      <Box as="dl" fontSize="sm">
        {lines.map(([label, value]) => (
          <Flex
            key={label}
            gap="3"
            py="1"
            borderBottomWidth="1px"
            borderColor="border"
            justify="space-between"
          >
            <Text as="dt" color="fg.muted" flex="1 1 50%" minWidth="0">
              {label}
            </Text>
            <Text as="dd" m="0" flex="1 1 50%" minWidth="0" overflowWrap="anywhere">
              {value}
            </Text>
          </Flex>
        ))}
      </Box>
    </Box>
  );
}

/** Return the settings of a section in words; the three numbers of a limit are one line. */
function linesOf(section: SectionOf, settings: Settings): [string, string][] {
  return SETTINGS.filter(({ path }) => sectionOf(path).id === section.id).flatMap(
    ({ path, label }): [string, string][] => {
      const [, kind] = LIMIT.exec(path) ?? [];
      if (kind) {
        const limit = settings.guards[kind as LimitName];
        return [[TEXTS[`guards.${kind}`].label, limitInWords(limit)]];
      }
      if (/\.(minimum|cap)$/.test(path)) {
        return [];
      }
      return [[label, inWords(path, valueAt(settings, path))]];
    },
  );
}
