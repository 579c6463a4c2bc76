/** What is being edited: what was saved, what was typed since, and how saving went. */

import { put } from "../../lib/api.js";
import { problemsIn } from "./checks.js";
import { byWhom } from "./in_words.js";
import { differences, sendable, withValue } from "./settings.js";

const { useCallback, useEffect, useRef, useState } = globalThis.React;

const AIRFLOW_FOLLOWS_MS = 1500;

/**
 * Keep the draft of a site's preferences.
 *
 * While nothing was typed the draft follows what others save. Once something was, it is never
 * touched; `moved` then says that somebody else saved in the meantime.
 *
 * @param {string} site
 * @param {object} latest The preferences as they were read last.
 * @param {function(): void} reload Reads them again.
 * @returns {object}
 */
export function usePreferencesForm(site, latest, reload) {
  const [base, setBase] = useState(latest);
  const [draft, setDraft] = useState(latest.settings);
  const [errors, setErrors] = useState([]);
  const [refusals, setRefusals] = useState(0);
  const [problem, setProblem] = useState(null);
  const [conflict, setConflict] = useState(null);
  const [isBusy, setIsBusy] = useState(false);
  const [saved, setSaved] = useState(null);
  const [told, setTold] = useState("");
  const later = useRef(null);
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
      setTold(`${byWhom(latest.saved_by)} saved these preferences; the page shows them now.`);
    }
  }, [isNewer, changed.length, latest]);

  const change = useCallback((path, value) => {
    setDraft((old) => withValue(old, path, value));
    setErrors((old) => old.filter(({ field }) => !isWithin(field, path)));
    setProblem(null);
    setSaved(null);
    setTold("");
  }, []);

  function discard() {
    const settled = isNewer ? latest : base;
    setBase(settled);
    setDraft(settled.settings);
    setErrors([]);
    setProblem(null);
    setTold("Your changes are discarded.");
  }

  /** Save what is given over the version that it was made from. */
  async function send(chosen, version) {
    setIsBusy(true);
    setProblem(null);
    setTold("");
    try {
      const answer = await put(`sites/${site}/preferences`, { version, settings: chosen });
      setBase(answer);
      setDraft(answer.settings);
      setErrors([]);
      setConflict(null);
      setSaved(answer);
      reload();
      later.current = setTimeout(reload, AIRFLOW_FOLLOWS_MS);
      return true;
    } catch (caught) {
      if (caught.status === 409 && caught.current) {
        setConflict(caught.current);
        setDraft(chosen);
      } else {
        setConflict(null);
        setDraft(chosen);
        setErrors(caught.errors ?? []);
        setRefusals((old) => old + 1);
        setProblem(caught);
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
    told,
    conflict,
    showConflict: setConflict,
    moved: isNewer && changed.length > 0 ? latest : null,
  };
}

/**
 * Return what is wrong with a setting, or with something in it.
 *
 * @param {{field: string, message: string}[]} errors
 * @param {string} path
 * @returns {string|undefined}
 */
export function errorAt(errors, path) {
  return errors.find(({ field }) => isWithin(field, path))?.message;
}

/**
 * Tell whether a dotted path is another one, or lies in it.
 *
 * @param {string} field
 * @param {string} path
 * @returns {boolean}
 */
export function isWithin(field, path) {
  return field === path || field.startsWith(`${path}.`);
}
