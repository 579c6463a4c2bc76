/** Lists behind a cursor, read page by page. */

import { get } from "../../lib/api.js";

const { useCallback, useEffect, useRef, useState } = globalThis.React;

/**
 * Return a value only once it has stood still for a while, so that typing asks the server once.
 *
 * @template T
 * @param {T} value
 * @param {number} [wait] Milliseconds.
 * @returns {T}
 */
export function useSettled(value, wait = 300) {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

/**
 * Read a list whose answers name the cursor of the next page.
 *
 * What was read stays while other filters are being asked for, so that nothing jumps.
 *
 * @param {string} path Of the API.
 * @param {object} params Filters; blank ones are left out.
 * @param {string} name The key of the rows in the answer.
 * @returns {{rows: object[], answer: object|null, problem: Error|null, loading: boolean,
 *   hasMore: boolean, more: function(): void, reload: function(): void}}
 */
export function usePages(path, params, name) {
  const [state, setState] = useState({ rows: null, answer: null, problem: null, loading: true });
  const turn = useRef(0);
  const wanted = Object.entries(params).filter(([, value]) => value !== "" && value != null);
  const query = JSON.stringify(wanted);

  const read = useCallback(
    async (after) => {
      turn.current += 1;
      const mine = turn.current;
      setState((old) => ({ ...old, loading: true, problem: null }));
      try {
        const filters = Object.fromEntries(JSON.parse(query));
        const answer = await get(path, after ? { ...filters, after } : filters);
        if (mine === turn.current) {
          setState((old) => {
            const rows = after ? [...old.rows, ...answer[name]] : answer[name];
            return { rows, answer, problem: null, loading: false };
          });
        }
      } catch (problem) {
        if (mine === turn.current) {
          setState((old) => ({ ...old, problem, loading: false }));
        }
      }
    },
    [path, query, name],
  );

  useEffect(() => {
    read(null);
    return () => {
      turn.current += 1;
    };
  }, [read]);

  const cursor = state.answer?.next ?? null;
  return {
    ...state,
    hasMore: cursor !== null,
    more: () => read(cursor),
    reload: () => read(null),
  };
}
