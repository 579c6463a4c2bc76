/** What all pages are built of: the frame, messages, moments, outcomes and fields. */

import {
  Alert,
  Badge,
  Box,
  type BoxProps,
  Breadcrumb,
  Button,
  Flex,
  Heading,
  Skeleton,
  Text,
} from "@chakra-ui/react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Link, useLocation } from "react-router-dom";
import { BAD } from "./colors";
import type { Problem } from "./api";
import { GuideLink, HOME } from "./guide";
import type { Permissions } from "./openapi";
import { MaintenanceBar, SiteHead, useStatus } from "./site_status";
import { inZone, ofRun, planned, UTC, useZone, utc } from "./time";
import { outcomeLabel, outcomePalette } from "./words";
import { EMPTY } from "../words/empty";

export { HOME } from "./guide";

/** What the viewer may do where a page is. */
export interface May extends Permissions {
  /** Since when the site rests. */
  archivedAt?: string | null;
}

/** What ties a control to its label, its help and its error. */
export interface ControlProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
  "aria-required": true | undefined;
}

interface Tab {
  value: string;
  label: string;
  path: string;
  /** The page of the guide that helps there. */
  guide: string;
  needs?: keyof Permissions;
}

const TABS: Tab[] = [
  { value: "runs", label: "Recent synchronizations", path: "", guide: "README.md" },
  { value: "preferences", label: "Preferences", path: "/preferences", guide: "first-sync.md" },
  { value: "upload", label: "Upload", path: "/upload", guide: "first-sync.md" },
  { value: "why", label: "Lookup", path: "/why", guide: "undo.md", needs: "details" },
  { value: "reports", label: "Reports", path: "/reports", guide: "held-run.md" },
];

/**
 * The frame of a page: its title, its place among the pages of its site, and its actions.
 *
 * @param props.title The heading, and the title of the browser's tab.
 * @param props.may What the viewer may do.
 * @param props.tab Which of the site's pages this is.
 * @param props.crumb What is shown of the site, where it has no tab of its own.
 * @param props.actions Buttons beside the title.
 * @param props.guide The page of the guide that helps here, as it is named in docs/guide; by default its tab's.
 */
export function Page({
  title,
  site,
  may,
  tab,
  crumb,
  actions = null,
  guide = TABS.find(({ value }) => value === tab)?.guide,
  children,
}: {
  title: string;
  site?: string;
  may?: May;
  tab?: string;
  crumb?: { label: string; text: string };
  actions?: ReactNode;
  guide?: string;
  children?: ReactNode;
}) {
  const { status, problem } = useStatus(may?.read ? site : undefined);
  const isNowhere = !status && problem?.status === NOT_FOUND;
  useTitle(site ? `${title} - ${site}` : title);
  const isSaidByTab = TABS.some(({ value, label }) => value === tab && label === title);
  const isEmpty = isSaidByTab && !actions;
  const help = guide && <GuideLink page={guide} about={title} />;
  if (site && isNowhere) {
    return <NoSite site={site} />;
  }
  return (
    <Box as="main" p={{ base: "2", md: "4" }} maxWidth="1600px" width="100%" mx="auto">
      {site && <Crumbs site={site} title={status?.title} crumb={crumb} />}
      {site && <SiteNav site={site} may={may} tab={tab} help={isSaidByTab && help} />}
      <Flex
        justify="space-between"
        align="center"
        gap="3"
        wrap="wrap"
        mb={isEmpty ? "0" : "4"}
        minHeight={isEmpty ? "0" : "9"}
      >
        <Flex gap="2" align="center">
          <Heading as="h1" size="xl" {...(isSaidByTab ? OUT_OF_SIGHT : null)}>
            {title}
          </Heading>
          {!isSaidByTab && help}
        </Flex>
        <Flex gap="2" wrap="wrap">
          {actions}
        </Flex>
      </Flex>
      <Notice />
      <MaintenanceBar maintenance={status?.maintenance} />
      {site && may?.read && (
        <SiteHead
          site={site}
          status={status}
          isArchived={Boolean(may.archivedAt)}
          isRefused={problem !== null}
        />
      )}
      {may?.archivedAt && <Rests since={may.archivedAt} />}
      {children}
    </Box>
  );
}

const NOT_FOUND = 404;

/** An address of a site that there is not: it was mistyped, or is of another Airflow. */
function NoSite({ site }: { site: string }) {
  return (
    <Box as="main" p={{ base: "2", md: "4" }} maxWidth="1600px" width="100%" mx="auto">
      <Heading as="h1" size="xl" mb="4">
        {EMPTY.unknownSite.title}
      </Heading>
      <Empty title={`There is no site ${site}`}>
        {EMPTY.unknownSite.text}
        <br />
        <Button asChild size="sm" variant="outline" mt="4">
          <Link to={`${HOME}/sites`}>Sites</Link>
        </Button>
      </Empty>
    </Box>
  );
}

/** For a screen reader alone: the tab above says the same. */
const OUT_OF_SIGHT = {
  position: "absolute",
  width: "1px",
  height: "1px",
  overflow: "hidden",
  clipPath: "inset(50%)",
  whiteSpace: "nowrap",
} as const;

/** Name the browser's tab as Airflow does: what is shown, and then the name of this Airflow. */
function useTitle(title: string) {
  useEffect(() => {
    const before = document.title;
    document.title = `${title} - ${before.split(" - ").at(-1)}`;
    return () => {
      document.title = before;
    };
  }, [title]);
}

/** The message of the previous page, such as that a file was uploaded before. */
function Notice() {
  const notice = useLocation().state?.notice;
  return typeof notice === "string" ? (
    <Alert.Root status="info" mb="4">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Description>{notice}</Alert.Description>
      </Alert.Content>
    </Alert.Root>
  ) : null;
}

/** Says of an archived site that it can be read, and nothing more. */
function Rests({ since }: { since: string }) {
  return (
    <Alert.Root status="info" mb="4">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>{`This site is archived since ${since.slice(0, 10)}`}</Alert.Title>
        <Alert.Description>
          You can read everything. No run begins and nothing changes. An administrator of all sites
          can restore it.
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

/** The way here, as Airflow shows it: each step has a label over its link. */
function Crumbs({
  site,
  title,
  crumb,
}: {
  site: string;
  title: string | null | undefined;
  crumb: { label: string; text: string } | undefined;
}) {
  const home = `${HOME}/sites/${site}`;
  return (
    <Breadcrumb.Root mb="2">
      <Breadcrumb.List gap="3" flexWrap={{ base: "wrap", md: "nowrap" }}>
        <Crumb label="OneRoster" to={`${HOME}/sites`} text="Sites" />
        <Breadcrumb.Separator>/</Breadcrumb.Separator>
        <Crumb
          label="Site"
          to={crumb && home}
          text={title ?? site}
          hint={title ? site : undefined}
        />
        {crumb && <Breadcrumb.Separator>/</Breadcrumb.Separator>}
        {crumb && <Crumb label={crumb.label} text={crumb.text} />}
      </Breadcrumb.List>
    </Breadcrumb.Root>
  );
}

function Crumb({
  label,
  to,
  text,
  hint,
}: {
  label: string;
  to?: string;
  text: string;
  hint?: string;
}) {
  return (
    <Breadcrumb.Item display="block" minWidth="0">
      <Text fontSize="xs" fontWeight="bold" color="fg.muted" whiteSpace="nowrap">
        {label}
      </Text>
      {to ? (
        <Box asChild color="fg.info" _hover={{ textDecoration: "underline" }} title={hint}>
          <Link to={to}>{text}</Link>
        </Box>
      ) : (
        <Text as="span" color="fg" aria-current="page" title={hint}>
          {text}
        </Text>
      )}
    </Breadcrumb.Item>
  );
}

function SiteNav({
  site,
  may,
  tab,
  help,
}: {
  site: string;
  may: May | undefined;
  tab: string | undefined;
  help: ReactNode;
}) {
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    here.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  const shown = TABS.filter(({ needs }) => !needs || may?.[needs]);
  return (
    <Flex
      as="nav"
      aria-label={`Pages of the site ${site}`}
      borderBottomWidth="1px"
      borderColor="border.emphasized"
      mb="4"
      align="center"
      gap="2"
    >
      <Flex overflowX="auto" overflowY="hidden" minWidth="0">
        {shown.map(({ value, label, path }) => (
          <Box
            key={value}
            asChild
            px={{ base: "2", md: "3" }}
            py="2"
            fontWeight="bold"
            fontSize={{ base: "sm", md: "md" }}
            whiteSpace="nowrap"
            borderBottomWidth="3px"
            borderColor={tab === value ? "border.info" : "transparent"}
            color={tab === value ? "fg" : "fg.muted"}
            _hover={{ color: "fg" }}
          >
            <Link
              to={`${HOME}/sites/${site}${path}`}
              ref={tab === value ? here : undefined}
              aria-current={tab === value ? "page" : undefined}
            >
              {label}
            </Link>
          </Box>
        ))}
      </Flex>
      {help}
    </Flex>
  );
}

/**
 * A bordered part of a page with a heading.
 *
 * @param props.hint A sentence under the heading.
 * @param props.actions Beside the heading.
 */
export function Card({
  title,
  hint,
  actions = null,
  children,
  ...rest
}: { title?: string; hint?: ReactNode; actions?: ReactNode; children?: ReactNode } & Omit<
  BoxProps,
  "title"
>) {
  const id = useId();
  return (
    <Box
      as="section"
      aria-labelledby={title ? id : undefined}
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="8px"
      p="4"
      {...rest}
    >
      {title && (
        <Flex justify="space-between" align="center" gap="2" wrap="wrap" mb={hint ? "1" : "3"}>
          <Heading as="h2" size="md" id={id}>
            {title}
          </Heading>
          {actions}
        </Flex>
      )}
      {hint && (
        <Text color="fg.muted" fontSize="sm" mb="3">
          {hint}
        </Text>
      )}
      {children}
    </Box>
  );
}

/** Says that there is nothing, and what to do about it. */
export function Empty({
  title,
  text,
  children = null,
}: {
  title: string;
  text?: string;
  children?: ReactNode;
}) {
  return (
    <Box
      borderWidth="1px"
      borderStyle="dashed"
      borderColor="border.emphasized"
      borderRadius="8px"
      p="6"
      textAlign="center"
    >
      <Text fontWeight="bold" mb="1">
        {title}
      </Text>
      <Box color="fg.muted">
        {text}
        {children}
      </Box>
    </Box>
  );
}

/** Says what went wrong, and offers to try again. */
export function Failure({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const gone = problem.status === 401;
  return (
    <Alert.Root status="error" role="alert">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>
          {gone ? "Your login has expired" : (problem.title ?? "Something went wrong")}
        </Alert.Title>
        <Alert.Description>{problem.detail ?? problem.message}</Alert.Description>
      </Alert.Content>
      {gone ? (
        <Button size="sm" variant="outline" onClick={() => location.reload()}>
          Log in again
        </Button>
      ) : (
        retry && (
          <Button size="sm" variant="outline" onClick={retry}>
            Try again
          </Button>
        )
      )}
    </Alert.Root>
  );
}

/** Holds the place of what is on its way, so that nothing jumps. */
export function Loading({ height = "20rem" }: { height?: string }) {
  return (
    <Box role="status" aria-label="Loading">
      <Skeleton height={height} borderRadius="8px" />
    </Box>
  );
}

/**
 * A moment of a run: in the zone that is selected in Airflow, with UTC beside, or on hover where there is no room.
 *
 * @param props.bare Whether there is room for the moment alone.
 */
export function Time({
  at,
  seconds = true,
  bare = false,
}: {
  at: string;
  seconds?: boolean;
  bare?: boolean;
}) {
  const zone = useZone();
  return (
    <time dateTime={at} title={utc(at)} style={{ whiteSpace: bare ? "nowrap" : undefined }}>
      {bare ? inZone(at, zone, { seconds }) : ofRun(at, zone, { seconds })}
    </time>
  );
}

/**
 * A planned moment: in UTC, in which schedules are made, with the selected zone beside, or on hover.
 *
 * @param props.bare Whether something above says already that this is UTC.
 * @param props.siteZone The zone that the site names, if any.
 */
export function Planned({
  at,
  bare = false,
  siteZone = null,
}: {
  at: string;
  bare?: boolean;
  siteZone?: string | null;
}) {
  const zone = useZone();
  const all = planned(at, zone, siteZone);
  return (
    <time dateTime={at} title={all} style={{ whiteSpace: bare ? "nowrap" : undefined }}>
      {bare ? inZone(at, UTC, { seconds: false }) : all}
    </time>
  );
}

/** How a run ended, in words and colour; subtle, because not all solid colours of Airflow can be read. */
export function Outcome({
  outcome,
  isPreview = false,
}: {
  outcome: string | null;
  isPreview?: boolean;
}) {
  return (
    <Badge
      colorPalette={outcomePalette(outcome, isPreview)}
      variant="subtle"
      borderRadius="full"
      px="2"
      whiteSpace="nowrap"
    >
      {outcomeLabel(outcome, isPreview)}
    </Badge>
  );
}

/** What a setting is made of. */
export interface FieldProps {
  label: string;
  help?: ReactNode;
  error?: string;
  required?: boolean;
  /** Whether the control is several, which the label names together. */
  group?: boolean;
  children: (control: ControlProps) => ReactNode;
}

/**
 * A setting: its label, the control, what it means, and what is wrong with it.
 *
 * @param props.group Whether the control is several, which the label names together.
 * @param props.children Gets `id`, `aria-describedby` and `aria-invalid`.
 */
export function Field({
  label,
  help,
  error,
  required = false,
  group = false,
  children,
}: FieldProps) {
  const id = useId();
  const described = [help && `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  const name = (
    <Text
      as={group ? "span" : "label"}
      {...(group ? {} : { htmlFor: id })}
      id={`${id}-label`}
      fontWeight="bold"
      display="block"
      mb="1"
    >
      {label}
      {required && (
        <Box as="span" color={BAD} aria-hidden>
          {" "}
          *
        </Box>
      )}
    </Text>
  );
  const control = children({
    id,
    "aria-describedby": described || undefined,
    "aria-invalid": error ? (true as const) : undefined,
    "aria-required": required ? (true as const) : undefined,
  });
  return (
    <Box
      {...(group
        ? {
            role: "group",
            "aria-labelledby": `${id}-label`,
            "aria-describedby": described || undefined,
          }
        : null)}
    >
      {name}
      {control}
      {error && (
        <Text id={`${id}-error`} color={BAD} fontSize="sm" mt="1">
          {error}
        </Text>
      )}
      {help && (
        <Box id={`${id}-help`} color="fg.muted" fontSize="sm" mt="1">
          {help}
        </Box>
      )}
    </Box>
  );
}
