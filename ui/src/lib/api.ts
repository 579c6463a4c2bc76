/** The JSON API of the pages: requests, problems, and hooks that keep an answer fresh. */

import {
  type InfiniteData,
  keepPreviousData,
  notifyManager,
  QueryClient,
  useInfiniteQuery,
  useQuery,
} from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import type { FieldProblem, paths } from "./openapi";

const ROOT = "oneroster/api/v1/";

const KEPT_ALIVE = 16_000;

const KEPT_FOR_MS = 30 * 60 * 1000;

const CLIENT = new QueryClient();

// An answer is drawn as soon as it is there, and not behind what else the browser has to do.
notifyManager.setScheduler(queueMicrotask);

/** What differs from how react-query asks: one refusal is shown at once, and nothing is asked unbidden. */
const ASKED_ONCE = {
  networkMode: "always",
  retry: false,
  refetchOnReconnect: false,
  refetchOnWindowFocus: false,
  // Who sees a run under way sees its time move, though the answer is the one of before.
  structuralSharing: false,
} as const;

type Filled<P extends string> = P extends `${infer Before}{${string}}${infer After}`
  ? `${Before}${string}${Filled<After>}`
  : P;

type Path = keyof paths extends infer P
  ? P extends `/api/v1/${infer Rest}`
    ? Rest
    : never
  : never;

type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;

type AnswerOf<Operation> = Operation extends { responses: infer R }
  ? { [Status in keyof R]: Status extends 200 | 201 | 202 ? Json<R[Status]> : never }[keyof R]
  : never;

type BodyOf<Operation> = Operation extends { requestBody?: infer Body }
  ? Json<NonNullable<Body>>
  : never;

type OperationOf<Method extends string, P extends string> = {
  [K in Path]: Filled<K> extends P
    ? P extends Filled<K>
      ? paths[`/api/v1/${K}`] extends Record<Method, infer Operation>
        ? Operation
        : never
      : never
    : never;
}[Path];

/** What the API answers at a path such as `runs/${id}/causes`, as its OpenAPI document has it. */
export type Answer<Method extends "get" | "put" | "post", P extends string> = AnswerOf<
  OperationOf<Method, P>
>;

/** What is asked in a query; blank ones are left out, lists are repeated. */
export type Params = Record<string, string | number | null | undefined | (string | number)[]>;

interface Refused {
  title?: string;
  status: number | null;
  detail: string;
  code?: string | null;
  errors?: FieldProblem[] | null;
  current?: unknown;
}

/** Why the server, or the way to it, refused a request. */
export class Problem extends Error {
  readonly title: string | undefined;
  readonly status: number | null;
  readonly detail: string;
  readonly code: string | null;
  readonly errors: FieldProblem[];
  /** What is there now, where somebody else was first. */
  readonly current: unknown;

  /**
   * @param body As the server sends it: `title`, `status`, `detail` and, by choice, `code`,
   *   `errors` and `current`.
   */
  constructor(body: Refused) {
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
 * Return what was caught as a problem that can be shown.
 *
 * @param caught Anything: what is no refusal is a defect, and is shown by its own words.
 */
export function asProblem(caught: unknown): Problem {
  if (caught instanceof Problem) {
    return caught;
  }
  const detail = caught instanceof Error ? caught.message : String(caught);
  return new Problem({ status: null, detail });
}

/** Return the address of a path of the API, wherever Airflow is mounted. */
export function url(path: string, params: Params = {}): string {
  const made = new URL(ROOT + path, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") {
        made.searchParams.append(name, String(one));
      }
    }
  }
  return made.href;
}

/**
 * Read JSON.
 *
 * @throws {Problem}
 */
export function get<const P extends string>(
  path: P,
  params?: Params,
  signal?: AbortSignal,
): Promise<Answer<"get", P>> {
  return getJson(url(path, params), signal);
}

/**
 * Read text that may be long.
 *
 * @param onBegin Gets what has come first, while the rest is on its way.
 * @throws {Problem}
 */
export async function getText(
  path: string,
  params: Params,
  onBegin: (text: string) => void,
): Promise<string> {
  const { body } = await send(url(path, params), {});
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let isFirst = true; reader; isFirst = false) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    text += value;
    if (isFirst) {
      onBegin(text);
    }
  }
  return text;
}

/**
 * Replace what is at a path.
 *
 * @throws {Problem}
 */
export function put<const P extends string>(
  path: P,
  body: BodyOf<OperationOf<"put", P>>,
): Promise<Answer<"put", P>> {
  return write("PUT", path, body);
}

/**
 * Ask for something to be done.
 *
 * @throws {Problem}
 */
export function post<const P extends string>(
  path: P,
  body?: BodyOf<OperationOf<"post", P>>,
  signal?: AbortSignal,
): Promise<Answer<"post", P>> {
  return write("POST", path, body ?? {}, signal);
}

/** A file on its way. */
export interface Sending<T> {
  /** Rejects with a Problem, or with null when it was cancelled. */
  done: Promise<T>;
  cancel: () => void;
}

/**
 * Send a file as it is.
 *
 * @param onProgress Gets the bytes that have left.
 */
export function upload<const P extends string>(
  path: P,
  params: Params,
  file: File,
  onProgress: (bytes: number) => void,
): Sending<Answer<"post", P>> {
  const request = new XMLHttpRequest();
  const done = new Promise<Answer<"post", P>>((resolve, reject) => {
    request.open("POST", url(path, params));
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status < 300 && body) {
        resolve(body as Answer<"post", P>);
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

/** What a page has of an address: the last answer, and why there is no newer one. */
interface Kept<T> {
  address: string | null;
  data: T | null;
  problem: Problem | null;
}

/** An answer that is kept fresh. */
export interface Fresh<T> {
  data: T | null;
  problem: Problem | null;
  loading: boolean;
  /** The data is still that of another address. */
  isOther: boolean;
  reload: () => void;
}

const NOTHING: Kept<never> = { address: null, data: null, problem: null };

/**
 * Keep the answer of a path fresh.
 *
 * While it is asked for again the old answer stays. A hidden tab asks for nothing, and asks at
 * once when it is looked at again.
 *
 * @param path Null asks for nothing.
 * @param options.every Ask again after so many milliseconds; null asks once.
 * @param options.keep Begin with the last answer of the same address: Airflow makes a page anew
 *   whenever its path changes, and nothing should flicker then.
 */
export function useApi<const P extends string>(
  path: P | null,
  options: { params?: Params; every?: number | null; keep?: boolean } = {},
): Fresh<Answer<"get", P>> {
  const { params, every = null, keep = false } = options;
  const address = path === null ? null : url(path, params);
  const shown = useRef<Kept<Answer<"get", P>>>(NOTHING);
  const query = useQuery(
    {
      ...ASKED_ONCE,
      // What one keeps is no answer for another who asks only once.
      queryKey: [address, keep],
      queryFn: async ({ signal }): Promise<Kept<Answer<"get", P>>> => {
        try {
          const data = await getJson<Answer<"get", P>>(address ?? "", signal);
          return { address, data, problem: null };
        } catch (caught) {
          if (signal.aborted) {
            throw caught;
          }
          // A refusal stands beside the last answer. Thrown, react-query would forget it whenever
          // it asks again, and the page would jump.
          return { ...shown.current, problem: asProblem(caught) };
        }
      },
      enabled: address !== null,
      placeholderData: keepPreviousData,
      gcTime: keep ? KEPT_FOR_MS : 0,
      refetchInterval: every ?? false,
      refetchOnWindowFocus: every ? "always" : false,
    },
    CLIENT,
  );
  // What another address left here by a refusal is no beginning.
  const isForeign = !query.isFetchedAfterMount && !query.isPlaceholderData;
  const state = query.data && !(isForeign && query.data.address !== address) ? query.data : NOTHING;
  useEffect(() => {
    shown.current = state;
  }, [state]);
  const { refetch } = query;
  const isAsked = address !== null;
  const reload = useCallback(() => {
    if (isAsked) {
      void refetch();
    }
  }, [isAsked, refetch]);
  const isOther = state.address !== address;
  return {
    data: state.data,
    problem: query.isFetchedAfterMount || query.isPlaceholderData ? state.problem : null,
    loading: query.isFetching || isOther,
    isOther: isOther && state.data !== null,
    reload,
  };
}

/** A list that is read page by page. */
export interface Pages<A, Row> {
  /** Null before the first answer. */
  rows: Row[] | null;
  /** The newest answer. */
  answer: A | null;
  problem: Problem | null;
  loading: boolean;
  hasMore: boolean;
  more: () => void;
  reload: () => void;
}

type RowOf<A, Name extends PropertyKey> = A extends Record<Name, (infer Row)[]> ? Row : never;

/**
 * Read a list whose answers name the cursor of the next page.
 *
 * What was read stays while other filters are being asked for, so that nothing jumps.
 *
 * @param path Of the API.
 * @param params Filters; blank ones are left out.
 * @param name The key of the rows in the answer.
 */
export function usePages<const P extends string, const Name extends string>(
  path: P,
  params: Params,
  name: Name,
): Pages<Answer<"get", P>, RowOf<Answer<"get", P>, Name>> {
  type A = Answer<"get", P>;
  const [last, setLast] = useState<InfiniteData<A> | null>(null);
  const query = useInfiniteQuery(
    {
      ...ASKED_ONCE,
      queryKey: [url(path, params), "pages"],
      queryFn: ({ pageParam, signal }) =>
        getJson<A>(url(path, { ...params, after: pageParam }), signal),
      initialPageParam: null as number | null,
      getNextPageParam: (answer) => (answer as { next: number | null }).next,
      placeholderData: keepPreviousData,
      gcTime: 0,
    },
    CLIENT,
  );
  if (query.data && query.data !== last) {
    setLast(query.data);
  }
  const pages = (query.data ?? last)?.pages ?? null;
  const answer = pages?.at(-1) ?? null;
  return {
    rows: pages?.flatMap((page) => (page as Record<Name, RowOf<A, Name>[]>)[name]) ?? null,
    answer,
    problem: query.error && !query.isFetching ? asProblem(query.error) : null,
    loading: query.isFetching,
    hasMore: answer !== null && (answer as { next: number | null }).next !== null,
    more: () => void query.fetchNextPage(),
    reload: () => void query.refetch(),
  };
}

async function getJson<T>(address: string, signal?: AbortSignal): Promise<T> {
  return (await send(address, { signal })).json() as Promise<T>;
}

async function write<T>(
  method: string,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const text = JSON.stringify(body);
  // What was asked for is sent to its end though the page be left; browsers do that for 64 KiB.
  const request = { method, headers, body: text, signal, keepalive: text.length < KEPT_ALIVE };
  return (await send(url(path), request)).json() as Promise<T>;
}

async function send(address: string, request: RequestInit): Promise<Response> {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...request });
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") {
      throw error;
    }
    throw unreachable();
  }
  if (!response.ok) {
    throw problemOf(response.status, parsed(await response.text()));
  }
  return response;
}

function problemOf(status: number, body: unknown): Problem {
  if (body && typeof body === "object" && "detail" in body && typeof body.detail === "string") {
    return new Problem({ title: "Refused", status, ...body, detail: body.detail });
  }
  const detail = `The server answered with status ${status}; try again in a moment.`;
  return new Problem({ title: "Unexpected answer", status, detail });
}

function unreachable(): Problem {
  const detail = "The server does not answer. Check the connection; nothing was lost.";
  return new Problem({ title: "No answer", status: 0, detail });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
