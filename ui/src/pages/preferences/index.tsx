/**
 * The page of a site's preferences, in sections with addresses of their own.
 *
 * A section stands in the query: Airflow makes a plugin's page anew whenever the path is another one, and what
 * somebody has typed would be lost.
 */

import { Box, Flex, Skeleton, Text } from "@chakra-ui/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { Link, Navigate, useLocation, useParams, useSearchParams } from "react-router-dom";
import { BAD, WARN } from "../../lib/colors";
import { useApi } from "../../lib/api";
import { LeaveGuard } from "../../lib/dialogs";
import type { FieldProblem, PreferencesState } from "../../lib/openapi";
import { Failure, type May, Page } from "../../lib/ui";
import { Advanced } from "./advanced";
import { FormProvider } from "./fields";
import { type Form, isWithin, usePreferencesForm } from "./form";
import { History } from "./history";
import { Notifications } from "./notifications";
import { Processing } from "./processing";
import { Conflict, SaveBar } from "./save";
import { Schedule } from "./schedule";
import {
  addressOf,
  type SectionId,
  type SectionOf,
  sectionAt,
  sectionOf,
  sectionOfAnchor,
  SECTIONS,
} from "./sections";
import { Source } from "./source";
import { Summary } from "./summary";
import { Limits } from "./thresholds";
import { ASK } from "../../words/questions";

const POLL_MS = 5000;

const LOGGED_OUT = 401;

/**
 * Show a site's preferences; who may not change them reads a summary.
 *
 * @param props.may What the viewer may do.
 */
export function Preferences({ may }: { may: May }) {
  const { site = "" } = useParams();
  const { hash } = useLocation();
  const [query] = useSearchParams();
  const id = query.get("section");
  const anchored = id === null ? sectionOfAnchor(hash) : null;
  const section = sectionAt(id);
  if (anchored || !section) {
    return <Navigate to={anchored ? addressOf(anchored) : "?"} replace />;
  }
  return (
    <Page title="Preferences" site={site} may={may} tab="preferences">
      <OfSite key={site} site={site} may={may} section={section} />
    </Page>
  );
}

function OfSite({ site, may, section }: { site: string; may: May; section: SectionOf }) {
  const { data, problem, reload } = useApi(`sites/${site}/preferences`, { every: POLL_MS });
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Waiting />;
  }
  return (
    <Box>
      {problem?.status === LOGGED_OUT && (
        <Box mb="4">
          <Failure problem={problem} />
        </Box>
      )}
      {may.administer ? (
        <PreferencesForm
          site={site}
          section={section}
          latest={data}
          isStale={problem !== null}
          reload={reload}
        />
      ) : (
        <Summary site={site} latest={data} isArchived={Boolean(may.archivedAt)} />
      )}
      {may.details && <History site={site} state={`${data.version} ${data.enabled}`} />}
    </Box>
  );
}

/** Holds the place of a section. */
function Waiting() {
  return (
    <Box role="status" aria-label="Loading">
      <Skeleton height="48rem" borderRadius="8px" mb="4" />
    </Box>
  );
}

/**
 * Show one section of a site's preferences; what is changed in one stays while another is open.
 *
 * @param props.latest The preferences as they were read last.
 * @param props.isStale Whether reading them again failed since.
 */
function PreferencesForm({
  site,
  section,
  latest,
  isStale,
  reload,
}: {
  site: string;
  section: SectionOf;
  latest: PreferencesState;
  isStale: boolean;
  reload: () => void;
}) {
  const form = usePreferencesForm(site, latest, reload);
  const root = useRef<HTMLFormElement>(null);
  const [, setQuery] = useSearchParams();
  const [wanted, setWanted] = useState<{ section: SectionId; fields: string[] } | null>(null);
  const goTo = useCallback(
    (fields: string[]) => {
      const first = SECTIONS.find((one) => fields.some((field) => sectionOf(field) === one));
      if (!first) {
        return;
      }
      if (first.id !== section.id) {
        setQuery({ section: first.id });
      }
      setWanted({ section: first.id, fields });
    },
    [setQuery, section.id],
  );

  const wrong = useRef<FieldProblem[]>([]);
  wrong.current = form.errors;
  const goToFirst = useRef(goTo);
  goToFirst.current = goTo;
  useEffect(() => {
    if (form.refusals) {
      goToFirst.current(wrong.current.map(({ field }) => field));
    }
  }, [form.refusals]);

  useEffect(() => {
    if (wanted?.section === section.id) {
      focusOn(root.current, wanted.fields);
      setWanted(null);
    }
  }, [wanted, section.id]);

  useSaveKey(root);
  useUncovered(root);

  return (
    <FormProvider value={{ ...form, latest }}>
      <form
        ref={root}
        noValidate
        aria-label="Preferences"
        onSubmit={(event) => {
          event.preventDefault();
          if (form.changed.length && !form.isBusy) {
            form.save();
          }
        }}
      >
        <Flex
          direction={{ base: "column", lg: "row" }}
          gap={{ base: "3", lg: "8" }}
          align="stretch"
          mb="4"
        >
          <SectionNav section={section} form={form} />
          <Shown section={section} isStale={isStale} reload={reload} />
        </Flex>
        <SaveBar form={form} enabled={latest.enabled} goTo={(field) => goTo([field])} />
      </form>
      <Conflict form={form} />
      <LeaveGuard when={form.changed.length > 0} title={ASK.leave.title} leave={ASK.leave.verb}>
        <Text>What you changed is lost: {form.changed.map(({ label }) => label).join(", ")}.</Text>
      </LeaveGuard>
    </FormProvider>
  );
}

/** The component of each section. */
const OF_SECTION: Record<
  Exclude<SectionId, "schedule">,
  (props: { section: SectionOf }) => React.ReactNode
> = {
  source: Source,
  syncs: Processing,
  limits: Limits,
  notifications: Notifications,
  advanced: Advanced,
};

function Shown({
  section,
  isStale,
  reload,
}: {
  section: SectionOf;
  isStale: boolean;
  reload: () => void;
}) {
  if (section.id === "schedule") {
    return <Schedule section={section} isStale={isStale} reload={reload} />;
  }
  const Component = OF_SECTION[section.id];
  return <Component key={section.id} section={section} />;
}

/** Links to the sections; those with unsaved changes or errors are marked. */
function SectionNav({ section, form }: { section: SectionOf; form: Form }) {
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    here.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [section.id]);
  return (
    <Flex
      as="nav"
      aria-label="Sections of the preferences"
      direction={{ base: "row", lg: "column" }}
      flex="none"
      width={{ base: "100%", lg: "11.5rem" }}
      overflowX={{ base: "auto", lg: "visible" }}
      gap="1"
      p="1"
    >
      {SECTIONS.map((one) => {
        const isHere = one.id === section.id;
        return (
          <Box
            key={one.id}
            asChild
            px="3"
            py="1.5"
            borderRadius="md"
            whiteSpace="nowrap"
            fontSize="sm"
            fontWeight={isHere ? "bold" : "medium"}
            bg={isHere ? "bg.emphasized" : undefined}
            color={isHere ? "fg" : "fg.muted"}
            _hover={{ bg: "bg.muted", color: "fg" }}
          >
            <Link
              to={addressOf(one)}
              ref={isHere ? here : undefined}
              aria-current={isHere ? "page" : undefined}
            >
              {one.label}
              <Mark section={one} form={form} />
            </Link>
          </Box>
        );
      })}
    </Flex>
  );
}

function Mark({ section, form }: { section: SectionOf; form: Form }) {
  const isIn = (path: string) => sectionOf(path).id === section.id;
  const isWrong = form.errors.some(({ field }) => isIn(field));
  if (!isWrong && !form.changed.some(({ path }) => isIn(path))) {
    return null;
  }
  return (
    <Box
      as="span"
      ms="1.5"
      color={isWrong ? BAD : WARN}
      role="img"
      aria-label={isWrong ? "has an error" : "has unsaved changes"}
    >
      ●
    </Box>
  );
}

/** Save by Ctrl+S, or ⌘S: the browser would save the page as a file. */
function useSaveKey(form: React.RefObject<HTMLFormElement | null>) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isSave = event.key.toLowerCase() === "s" && (event.ctrlKey || event.metaKey);
      if (isSave && !event.altKey && !event.shiftKey) {
        event.preventDefault();
        form.current?.requestSubmit();
      }
    };
    globalThis.addEventListener("keydown", onKey);
    return () => globalThis.removeEventListener("keydown", onKey);
  }, [form]);
}

/** Scroll what has the focus out from under the save bar: a browser takes it for visible there. */
function useUncovered(form: React.RefObject<HTMLFormElement | null>) {
  useEffect(() => {
    const root = form.current;
    const uncover = ({ target }: FocusEvent) => {
      const bar = root?.querySelector("[data-save-bar]");
      requestAnimationFrame(() => {
        if (bar && target instanceof Element && !bar.contains(target)) {
          const { bottom } = target.getBoundingClientRect();
          if (bottom > bar.getBoundingClientRect().top) {
            target.scrollIntoView({ block: "center" });
          }
        }
      });
    };
    root?.addEventListener("focusin", uncover);
    return () => root?.removeEventListener("focusin", uncover);
  }, [form]);
}

/** Move the focus to the first setting that is named, in the order of the page. */
function focusOn(root: HTMLElement | null, fields: string[]) {
  const named = [...(root?.querySelectorAll<HTMLElement>("[data-setting]") ?? [])].filter(
    ({ dataset }) => fields.some((field) => isWithin(field, dataset.setting ?? "")),
  );
  const box = named.find((one) => !named.some((other) => other !== one && one.contains(other)));
  const control =
    box?.querySelector<HTMLElement>("[aria-invalid=true]") ??
    box?.querySelector<HTMLElement>("input, select, textarea, button");
  box?.scrollIntoView({ block: "center" });
  control?.focus({ preventScroll: true });
}
