/** The pages as Airflow loads them: one in its navigation, one at every DAG run. */

import { Button } from "@chakra-ui/react";
import type { ComponentType } from "react";
import { Link, Navigate, Route, Routes } from "react-router-dom";
import { Toasts } from "./lib/toasts";
import { Allowed } from "./lib/allowed";
import { useApi } from "./lib/api";
import { Empty, Failure, HOME, Loading, type May, Page } from "./lib/ui";
import { DagRunTab } from "./pages/dag_run";
import { Documents } from "./pages/documents";
import { Preferences } from "./pages/preferences/index";
import { Recent } from "./pages/recent/index";
import { Reports } from "./pages/reports/index";
import { Run } from "./pages/run/index";
import { Sites } from "./pages/sites/index";
import { Upload } from "./pages/upload/index";
import { Record } from "./pages/why/record";
import { Why, WhyEverywhere } from "./pages/why/search";
import { EMPTY } from "./words/empty";

/**
 * Hand Airflow its components, by the names that it knows them by.
 *
 * One that is not there yet Airflow shows through `React.lazy`, which holds it back for a third of a
 * second. From its next rendering on it shows the component itself, and to React that is another
 * one: what somebody has typed by then would be lost. Telling the router that the address is still
 * the same makes Airflow render again at once, when there is nothing to lose yet.
 *
 * @param components By name.
 */
function offer(components: Record<string, unknown>) {
  Object.assign(globalThis, components);
  globalThis.dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}

/** The page in the navigation: what it shows stands in the address. */
function OneRoster() {
  const page = (component: ComponentType<{ may: May }>) => <Allowed component={component} />;
  return (
    <>
      <Toasts />
      <Routes>
        <Route index element={<FirstSite />} />
        <Route path="sites" element={page(Sites)} />
        <Route path="why" element={<WhyEverywhere />} />
        <Route path="sites/:site" element={page(Recent)} />
        <Route path="sites/:site/preferences" element={page(Preferences)} />
        <Route path="sites/:site/upload" element={page(Upload)} />
        <Route path="sites/:site/reports" element={page(Reports)} />
        <Route path="sites/:site/why" element={page(Why)} />
        <Route path="sites/:site/why/:kind/:id" element={page(Record)} />
        <Route path="runs/:id" element={page(Run)} />
        <Route path="docs" element={<Documents />} />
        <Route path="docs/:part/:page" element={<Documents />} />
        <Route path="*" element={<Nowhere />} />
      </Routes>
    </>
  );
}

/** Where there is one site only, its page is the first one. */
function FirstSite() {
  const { data, problem, reload } = useApi("sites", { keep: true });
  if (!data) {
    return (
      <Page title="OneRoster">
        {problem ? <Failure problem={problem} retry={reload} /> : <Loading />}
      </Page>
    );
  }
  const to = data.sites.length === 1 ? `${HOME}/sites/${data.sites[0].site}` : `${HOME}/sites`;
  return <Navigate to={to} replace />;
}

function Nowhere() {
  return (
    <Page title={EMPTY.page.title}>
      <Empty title={EMPTY.page.title}>
        <Button asChild size="sm" variant="outline" mt="2">
          <Link to={HOME}>OneRoster home</Link>
        </Button>
      </Empty>
    </Page>
  );
}

offer({ OneRoster, "OneRoster run": DagRunTab });
