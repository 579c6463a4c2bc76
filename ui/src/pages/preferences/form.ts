/** The form of the preferences: what is edited, what is wrong with it, and how saving went. */

import { useCallback, useEffect, useRef, useState } from "react";
import { sayDone } from "../../lib/toasts";
import { asProblem, type Problem, put } from "../../lib/api";
import type { FieldProblem, PreferencesState } from "../../lib/openapi";
import { isTime } from "../../lib/time";
import {
  byWhom,
  differences,
  type NumberRule,
  RAISED_PERCENT,
  same,
  sendable,
  type Settings,
  SETTINGS,
  valueAt,
  withValue,
} from "./settings";

const ADDRESS = /^[^\s@,;<>]+@[^\s@,;<>]+$/;

const CONNECTION = /^[A-Za-z0-9_.-]{1,200}$/;

const MOST_RECIPIENTS = 50;

const MOST_CHANNELS = 20;

/** What is said of a pause that ends before it begins. */
export const REVERSED = "The last day is before the first day.";

/**
 * Return what is wrong with settings, as the API would say it.
 *
 * @param settings As `sendable` gives them.
 * @param before As they were saved.
 */
export function problemsIn(settings: Settings, before: Settings): FieldProblem[] {
  const found: FieldProblem[] = [];
  const add = (field: string, message: string | false | null | undefined) =>
    message && found.push({ field, message });
  if (!settings.credited_admin) {
    add("credited_admin", "Choose an administrator: without one no sync can run.");
  }
  if (settings.days.length === 0) {
    add("days", "Choose at least one day. To stop all syncs, switch the sync off above.");
  }
  if (!isTime(settings.time_utc)) {
    add("time_utc", "Enter a time such as 02:00.");
  }
  settings.pause_windows.forEach(({ first_on: first, last_on: last }, index) => {
    if (!first || !last) {
      add(`pause_windows.${index}`, "Give the first and the last day, or remove this pause.");
    } else if (last < first) {
      add(`pause_windows.${index}`, REVERSED);
    }
  });
  if (settings.create_only_until === "") {
    add("create_only_until", "Give the last day, or untick it.");
  }
  for (const { path, number } of SETTINGS) {
    if (number) {
      add(path, numberProblem(number, valueAt(settings, path)));
    }
  }
  const { raised } = settings.guards;
  if (raised) {
    add("guards.raised.percent", numberProblem(RAISED_PERCENT, raised.percent));
    add("guards.raised.until", raised.until === "" && "Give the last day, or choose one run.");
  }
  add("notices.recipients", addressProblem(settings.notices.recipients));
  add("notices.channels", channelProblem(settings.notices.channels));
  if (!same(settings.source, before.source)) {
    add("source", sourceProblem(settings.source));
  }
  const { source_connection: connection, source_pattern: pattern } = settings;
  add("source_connection", connection && connectionProblem(connection));
  if (/^sftp:/i.test(settings.source ?? "") && !connection) {
    add("source_connection", "SFTP needs an Airflow connection, with the login and the host key.");
  }
  add(
    "source_pattern",
    pattern.includes("/") && "Only a file's name; folders go to the path or URL.",
  );
  if (settings.started_by !== "schedule" && !settings.source) {
    add("started_by", "A new package needs a source to arrive at.");
  }
  if (/^https:/i.test(settings.source ?? "") && settings.source_after === "move") {
    add("source_after", "Nothing can be moved at https://. Leave it there.");
  }
  return found;
}

/** Say what is wrong with a source; what else it may be is known to the API. */
function sourceProblem(source: string | undefined | null) {
  const [, scheme, host, rest] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(source ?? "") ?? [];
  if (!scheme) {
    return null;
  }
  if (/:.*@/.test(host)) {
    return "It holds a password. Put that into an Airflow connection, and name the connection here.";
  }
  if (/^(http|ftp)$/i.test(scheme)) {
    return `${scheme}:// is not encrypted. Use https:// or sftp://.`;
  }
  return !/^file$/i.test(scheme) && /[?#]/.test(rest)
    ? "Leave out everything after ? or #: keys and tokens go into an Airflow connection."
    : null;
}

/** Say what is wrong with a number; nothing where it can be used. */
function numberProblem(
  { least, most, isWhole = false, isOptional = false }: NumberRule,
  value: unknown,
) {
  if (value === null) {
    return isOptional ? null : "Give a number.";
  }
  if (typeof value !== "number" || (isWhole && !Number.isInteger(value))) {
    return isWhole ? "Give a whole number, such as 5." : "Give a number, such as 10 or 2.5.";
  }
  if (value >= least && value <= (most ?? Infinity)) {
    return null;
  }
  if (most === undefined) {
    return `Give ${least} or more${isOptional ? ", or leave it empty" : ""}.`;
  }
  const what = isWhole ? "a number" : "a percentage";
  return `Give ${what} from ${least} to ${most}${isOptional ? ", or leave it empty" : ""}.`;
}

function addressProblem(addresses: string[]) {
  const wrong = addresses.find((address) => !ADDRESS.test(address) || address.length > 320);
  if (wrong) {
    return `“${wrong}” is not a valid e-mail address. Enter one on each line, such as it.office@example.org.`;
  }
  return addresses.length > MOST_RECIPIENTS
    ? `Give ${MOST_RECIPIENTS} addresses at most; a list of your mail server counts as one.`
    : null;
}

function connectionProblem(id: string) {
  return CONNECTION.test(id)
    ? null
    : `“${id}” is no id of a connection: it has letters, digits, dots, hyphens and underscores.`;
}

function channelProblem(channels: string[]) {
  const wrong = channels.map(connectionProblem).find(Boolean);
  if (wrong) {
    return wrong;
  }
  return channels.length > MOST_CHANNELS ? `Give ${MOST_CHANNELS} channels at most.` : null;
}

const AIRFLOW_FOLLOWS_MS = 1500;

/**
 * Keep the draft of a site's preferences.
 *
 * While nothing was typed the draft follows what others save. Once something was, it is never
 * touched; `moved` then says that somebody else saved in the meantime.
 *
 * @param latest The preferences as they were read last.
 * @param reload Reads them again.
 */
export function usePreferencesForm(site: string, latest: PreferencesState, reload: () => void) {
  const [base, setBase] = useState(latest);
  const [draft, setDraft] = useState(latest.settings);
  const [errors, setErrors] = useState<FieldProblem[]>([]);
  const [refusals, setRefusals] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [conflict, setConflict] = useState<PreferencesState | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [saved, setSaved] = useState<PreferencesState | null>(null);
  const [news, setNews] = useState("");
  const later = useRef<number | undefined>(undefined);
  useEffect(() => () => clearTimeout(later.current), []);

  const settings = sendable(draft);
  const changed = differences(base.settings, settings);
  const isNewer = latest.version > base.version;

  useEffect(() => {
    if (isNewer && changed.length === 0) {
      setBase(latest);
      setDraft(latest.settings);
      setErrors([]);
      setSaved(null);
      setNews(`${byWhom(latest.saved_by)} saved these preferences; the page shows them now.`);
    }
  }, [isNewer, changed.length, latest]);

  const change = useCallback((path: string, value: unknown) => {
    setDraft((old) => withValue(old, path, value));
    setErrors((old) => old.filter(({ field }) => !isWithin(field, path)));
    setProblem(null);
    setSaved(null);
    setNews("");
  }, []);

  function discard() {
    const settled = isNewer ? latest : base;
    setBase(settled);
    setDraft(settled.settings);
    setErrors([]);
    setProblem(null);
    setNews("Your changes are discarded.");
  }

  /** Save what is given over the version that it was made from. */
  async function send(chosen: Settings, version: number) {
    setIsBusy(true);
    setProblem(null);
    setNews("");
    try {
      const answer = await put(`sites/${site}/preferences`, {
        version,
        settings: { ...chosen, time_utc: chosen.time_utc ?? "" },
      });
      setBase(answer);
      setDraft(answer.settings);
      setErrors([]);
      setConflict(null);
      setSaved(answer);
      sayDone("Preferences saved");
      reload();
      later.current = window.setTimeout(reload, AIRFLOW_FOLLOWS_MS);
      return true;
    } catch (caught) {
      const refused = asProblem(caught);
      if (refused.status === 409 && refused.current) {
        setConflict(refused.current as PreferencesState);
        setDraft(chosen);
      } else {
        setConflict(null);
        setDraft(chosen);
        setErrors(refused.errors);
        setRefusals((old) => old + 1);
        setProblem(refused);
      }
      return false;
    } finally {
      setIsBusy(false);
    }
  }

  async function save() {
    const found = problemsIn(settings, base.settings);
    if (found.length) {
      setErrors(found);
      setRefusals((old) => old + 1);
      setProblem(null);
      return;
    }
    await send(settings, base.version);
  }

  return {
    site,
    base,
    draft,
    settings,
    changed,
    change,
    discard,
    save,
    send,
    errors,
    refusals,
    problem,
    isBusy,
    saved,
    news,
    conflict,
    showConflict: setConflict,
    moved: isNewer && changed.length > 0 ? latest : null,
  };
}

/** The form of a site's preferences. */
export type Form = ReturnType<typeof usePreferencesForm>;

/** Return what is wrong with a setting, or with something in it. */
export function errorAt(errors: FieldProblem[], path: string) {
  return errors.find(({ field }) => isWithin(field, path))?.message;
}

/** Return whether a dotted path is another one, or lies in it. */
export function isWithin(field: string, path: string) {
  return field === path || field.startsWith(`${path}.`);
}
