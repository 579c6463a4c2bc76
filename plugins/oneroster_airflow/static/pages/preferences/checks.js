/** What is wrong with settings, told before they are sent. */

import { RAISED_PERCENT, SETTINGS, same, valueAt } from "./settings.js";

const ADDRESS = /^[^\s@,;<>]+@[^\s@,;<>]+$/;
const CONNECTION = /^[A-Za-z0-9_.-]{1,200}$/;
const MOST_RECIPIENTS = 50;
const MOST_CHANNELS = 20;

/**
 * Return what is wrong with settings, as the API would tell it.
 *
 * @param {object} settings As `sendable` gives them.
 * @param {object} before As they were saved.
 * @returns {{field: string, message: string}[]}
 */
export function problemsIn(settings, before) {
  const found = [];
  const add = (field, message) => message && found.push({ field, message });
  if (!settings.credited_admin) {
    add("credited_admin", "Choose an administrator: without one no sync can run.");
  }
  if (settings.days.length === 0) {
    add("days", "Choose at least one day. To stop all syncs, switch the sync off above.");
  }
  if (!settings.time_utc) {
    add("time_utc", "Give a time, such as 02:00.");
  }
  settings.pause_windows.forEach(({ first_on: first, last_on: last }, index) => {
    if (!first || !last) {
      add(`pause_windows.${index}`, "Give the first and the last day, or remove this pause.");
    } else if (last < first) {
      add(`pause_windows.${index}`, "The last day lies before the first one.");
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
  if (/^sftp:/i.test(settings.source) && !connection) {
    add("source_connection", "SFTP needs an Airflow connection, with the login and the host key.");
  }
  add("source_pattern", pattern.includes("/") && "Only a file's name; folders go to the path or URL.");
  if (/^https:/i.test(settings.source) && settings.source_after === "move") {
    add("source_after", "Nothing can be moved at https://. Leave it there.");
  }
  return found;
}

/** Say what is wrong with a source; what else it may be is known to the API. */
function sourceProblem(source) {
  const [, scheme, host, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(source ?? "") ?? [];
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
    ? "Leave out what stands after ? or #: keys and tokens go into an Airflow connection."
    : null;
}

/** Say what is wrong with a number; nothing where it can be used. */
function numberProblem({ least, most, isWhole = false, isOptional = false }, value) {
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

function addressProblem(addresses) {
  const wrong = addresses.find((address) => !ADDRESS.test(address) || address.length > 320);
  if (wrong) {
    return `“${wrong}” is no e-mail address. Write one on each line, such as it.office@example.org.`;
  }
  return addresses.length > MOST_RECIPIENTS
    ? `Give ${MOST_RECIPIENTS} addresses at most; a list of your mail server counts as one.`
    : null;
}

function connectionProblem(id) {
  return CONNECTION.test(id)
    ? null
    : `“${id}” is no id of a connection: it has letters, digits, dots, hyphens and underscores.`;
}

function channelProblem(channels) {
  const wrong = channels.map(connectionProblem).find(Boolean);
  if (wrong) {
    return wrong;
  }
  return channels.length > MOST_CHANNELS ? `Give ${MOST_CHANNELS} channels at most.` : null;
}
