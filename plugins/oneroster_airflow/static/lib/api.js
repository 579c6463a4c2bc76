/** The JSON API of the pages: requests, problems, and a hook that keeps an answer fresh. */

const { useCallback, useEffect, useState } = globalThis.React;

const ROOT = "oneroster/api/v1/";
const KEPT = new Map();
const KEPT_AT_MOST = 50;
const KEPT_ALIVE = 16_000;

/** Why the server, or the way to it, refused a request. */
export class Problem extends Error {
  /**
   * @param {object} body As the server tells it: `title`, `status`, `detail` and, by choice, `code`,
   *   `errors` and `current`.
   */
  constructor(body) {
    super(body.detail);
    this.name = "Problem";
    this.title = body.title;
    this.status = body.status;
    this.detail = body.detail;
    this.code = body.code ?? null;
    this.errors = body.errors ?? [];
    this.current = body.current ?? null;
  }
}

/**
 * Return the address of a path of the API, wherever Airflow is mounted.
 *
 * @param {string} path
 * @param {object} [params] Of the query; blank ones are left out, lists are repeated.
 * @returns {string}
 */
export function url(path, params = {}) {
  const made = new URL(ROOT + path, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") {
        made.searchParams.append(name, one);
      }
    }
  }
  return made.href;
}

/**
 * Read JSON.
 *
 * @param {string} path
 * @param {object} [params]
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>}
 * @throws {Problem}
 */
export async function get(path, params, signal) {
  return (await send(url(path, params), { signal })).json();
}

/**
 * Read text.
 *
 * @param {string} path
 * @param {object} [params]
 * @returns {Promise<string>}
 * @throws {Problem}
 */
export async function getText(path, params) {
  return (await send(url(path, params), {})).text();
}

/**
 * Replace what is at a path.
 *
 * @param {string} path
 * @param {object} body
 * @returns {Promise<object>}
 * @throws {Problem}
 */
export function put(path, body) {
  return write("PUT", path, body);
}

/**
 * Ask for something to be done.
 *
 * @param {string} path
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<object>}
 * @throws {Problem}
 */
export function post(path, body = {}, signal) {
  return write("POST", path, body, signal);
}

/**
 * Send a file as it is.
 *
 * @param {string} path
 * @param {object} params
 * @param {File} file
 * @param {function(number): void} onProgress Gets the bytes that have left.
 * @returns {{done: Promise<object>, cancel: function(): void}} `done` rejects with a Problem, or
 *   with null when it was cancelled.
 */
export function upload(path, params, file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.open("POST", url(path, params));
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300 && body) {
        resolve(body);
      } else {
        reject(problemOf(request.status, body));
      }
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(null);
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}

/**
 * Keep the answer of a path fresh.
 *
 * While it is asked for again the old answer stays. A hidden tab asks for nothing, and asks at
 * once when it is looked at again.
 *
 * @param {string|null} path Null asks for nothing.
 * @param {object} [options]
 * @param {object} [options.params] Of the query.
 * @param {number|null} [options.every] Ask again after so many milliseconds; null asks once.
 * @param {boolean} [options.keep] Begin with the last answer of the same address: Airflow makes a
 *   page anew whenever its path changes, and nothing should flicker then.
 * @returns {{data: object|null, problem: Problem|null, loading: boolean, isOther: boolean,
 *   reload: function(): void}} `isOther`: the data is still that of another address.
 */
export function useApi(path, { params, every = null, keep = false } = {}) {
  const address = path === null ? null : url(path, params);
  const [state, setState] = useState(() => {
    const data = (keep && KEPT.get(address)) || null;
    return { address: data && address, data, problem: null, loading: true };
  });
  const [turn, setTurn] = useState(0);
  const reload = useCallback(() => setTurn((old) => old + 1), []);

  useEffect(() => {
    if (address === null) {
      return undefined;
    }
    const control = new AbortController();
    let timer = null;
    let isBusy = false;
    const ask = async () => {
      timer = null;
      if (every && document.hidden) {
        return;
      }
      isBusy = true;
      try {
        const data = await (await send(address, { signal: control.signal })).json();
        if (keep) {
          remember(address, data);
        }
        setState({ address, data, problem: null, loading: false });
      } catch (problem) {
        if (control.signal.aborted) {
          return;
        }
        setState((old) => ({ ...old, problem, loading: false }));
      }
      isBusy = false;
      if (every && !control.signal.aborted) {
        timer = setTimeout(ask, every);
      }
    };
    const look = () => {
      if (every && !document.hidden && !isBusy && timer === null) {
        ask();
      }
    };
    setState((old) => ({ ...old, loading: true }));
    ask();
    document.addEventListener("visibilitychange", look);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [address, every, keep, turn]);

  const { data, problem } = state;
  const isOther = state.address !== address;
  return { data, problem, loading: state.loading || isOther, isOther: isOther && data !== null, reload };
}

function remember(address, data) {
  KEPT.delete(address);
  KEPT.set(address, data);
  if (KEPT.size > KEPT_AT_MOST) {
    KEPT.delete(KEPT.keys().next().value);
  }
}

function write(method, path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const text = JSON.stringify(body);
  // What was asked for is sent to its end though the page be left; browsers do that for 64 KiB.
  const request = { method, headers, body: text, signal, keepalive: text.length < KEPT_ALIVE };
  return send(url(path), request).then((response) => response.json());
}

async function send(address, request) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...request });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw unreachable();
  }
  if (!response.ok) {
    throw problemOf(response.status, parsed(await response.text()));
  }
  return response;
}

function problemOf(status, body) {
  if (body?.detail && typeof body.detail === "string") {
    return new Problem({ title: "Refused", status, ...body });
  }
  const detail = `The server answered with status ${status}; try again in a moment.`;
  return new Problem({ title: "Unexpected answer", status, detail });
}

function unreachable() {
  const detail = "The server does not answer. Check the connection; nothing was lost.";
  return new Problem({ title: "No answer", status: 0, detail });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
