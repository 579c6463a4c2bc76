/** What the viewer may do where a page is: at its site, or at all of them. */

import { Box } from "@chakra-ui/react";
import type { ComponentType } from "react";
import { Link, useParams, useSearchParams } from "react-router-dom";
import { type Params, useApi } from "./api";
import type { Me } from "./openapi";
import { Empty, Failure, HOME, Loading, type May, Page } from "./ui";

const NOTHING = { read: false, details: false, operate: false, administer: false };

const NOT_FOUND = 404;

/**
 * Show a page to users who may see its site, and pass their permissions to it.
 *
 * @param props.component Gets `may`.
 */
export function Allowed({ component: Component }: { component: ComponentType<{ may: May }> }) {
  const { site, id } = useParams();
  const [query] = useSearchParams();
  const params = about(site ?? siteOfDag(query.get("dag_id") ?? ""), site ? null : id);
  const { data: me, problem, reload } = useApi("me", { params, keep: true });
  if (problem?.status === NOT_FOUND) {
    return <Component may={NOTHING} />; // the page itself says what there is not
  }
  if (!me) {
    const shown = problem ? <Failure problem={problem} retry={reload} /> : <Loading />;
    return <Page title="OneRoster">{shown}</Page>;
  }
  return me.may.read ? <Component may={mayOf(me)} /> : <NotYours site={site} />;
}

/**
 * Return what one may do, with since when the site rests.
 *
 * @param me As the API sends it.
 */
export function mayOf(me: Me): May {
  return { ...me.may, archivedAt: me.archived_at };
}

/** Return the site that a DAG of ours is of; the DAGs are named after it. */
export function siteOfDag(dagId: string) {
  return /^oneroster_(?:sync|upload)__(.+)$/.exec(dagId)?.[1];
}

function about(site: string | undefined, run: string | null | undefined): Params {
  if (site) {
    return { site };
  }
  return run ? { run_id: run } : {};
}

function NotYours({ site }: { site: string | undefined }) {
  return (
    <Page title="Not your site">
      <Empty
        title={site ? `You may not see the site ${site}` : "You may not see the site of this run"}
      >
        <Box mb="3">Ask an administrator of Airflow for access to its DAGs, if it is yours.</Box>
        <Link to={`${HOME}/sites`} style={{ textDecoration: "underline" }}>
          Sites that you may see
        </Link>
      </Empty>
    </Page>
  );
}
