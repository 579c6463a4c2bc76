/** What the viewer may do where a page is: at its site, or at all of them. */

import { useApi } from "./api.js";
import { Empty, Failure, HOME, Loading, Page, h } from "./ui.js";

const { Box } = globalThis.ChakraUI;
const { Link, useParams, useSearchParams } = globalThis.ReactRouterDOM;

const NOTHING = { read: false, details: false, operate: false, administer: false };
const NOT_FOUND = 404;

/**
 * Show a page to those who may see its site, and tell the page what they may do there.
 *
 * @param {object} props
 * @param {function(object): *} props.component Gets `may`.
 */
export function Allowed({ component }) {
  const { site, id } = useParams();
  const [query] = useSearchParams();
  const params = about(site ?? siteOfDag(query.get("dag_id") ?? ""), site ? null : id);
  const { data: me, problem, reload } = useApi("me", { params, keep: true });
  if (problem?.status === NOT_FOUND) {
    return h(component, { may: NOTHING }); // the page itself says what there is not
  }
  if (!me) {
    const shown = problem ? h(Failure, { problem, retry: reload }) : h(Loading, null);
    return h(Page, { title: "OneRoster" }, shown);
  }
  return me.may.read ? h(component, { may: mayOf(me) }) : h(NotYours, { site });
}

/**
 * Return what one may do, with since when the site rests.
 *
 * @param {object} me As the API tells it.
 * @returns {object}
 */
export function mayOf(me) {
  return { ...me.may, archivedAt: me.archived_at };
}

/**
 * Return the site that a DAG of ours is of; the DAGs are named after it.
 *
 * @param {string} dagId
 * @returns {string|undefined}
 */
export function siteOfDag(dagId) {
  return /^oneroster_(?:sync|upload)__(.+)$/.exec(dagId)?.[1];
}

function about(site, run) {
  if (site) {
    return { site };
  }
  return run ? { run_id: run } : {};
}

function NotYours({ site }) {
  return h(
    Page,
    { title: "Not your site" },
    h(
      Empty,
      { title: site ? `You may not see the site ${site}` : "You may not see the site of this run" },
      h(Box, { mb: "3" }, "Ask an administrator of Airflow for access to its DAGs, if it is yours."),
      h(Link, { to: `${HOME}/sites`, style: { textDecoration: "underline" } }, "Sites that you may see"),
    ),
  );
}
