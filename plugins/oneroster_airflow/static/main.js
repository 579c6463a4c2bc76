/** The pages as Airflow loads them: one in its navigation, one at every DAG run. */

import { Allowed } from "./lib/allowed.js";
import { useApi } from "./lib/api.js";
import { offer } from "./lib/host.js";
import { Empty, Failure, HOME, Loading, Page, h } from "./lib/ui.js";
import { DagRunTab } from "./pages/dag_run.js";
import { Preferences } from "./pages/preferences/index.js";
import { Recent } from "./pages/recent/index.js";
import { Run } from "./pages/run/index.js";
import { Sites } from "./pages/sites/index.js";
import { Upload } from "./pages/upload/index.js";
import { Record, Why } from "./pages/why/index.js";

const { Link, Navigate, Route, Routes } = globalThis.ReactRouterDOM;

/** The page in the navigation: what it shows stands in the address. */
function OneRoster() {
  const page = (component) => h(Allowed, { component });
  return h(
    Routes,
    null,
    h(Route, { index: true, element: h(FirstSite, null) }),
    h(Route, { path: "sites", element: page(Sites) }),
    h(Route, { path: "sites/:site", element: page(Recent) }),
    h(Route, { path: "sites/:site/preferences", element: page(Preferences) }),
    h(Route, { path: "sites/:site/upload", element: page(Upload) }),
    h(Route, { path: "sites/:site/why", element: page(Why) }),
    h(Route, { path: "sites/:site/why/:kind/:id", element: page(Record) }),
    h(Route, { path: "runs/:id", element: page(Run) }),
    h(Route, { path: "*", element: h(Nowhere, null) }),
  );
}

/** Where there is one site only, its page is the first one. */
function FirstSite() {
  const { data, problem, reload } = useApi("sites", { keep: true });
  if (!data) {
    return h(
      Page,
      { title: "OneRoster" },
      problem ? h(Failure, { problem, retry: reload }) : h(Loading, null),
    );
  }
  const to = data.sites.length === 1 ? `${HOME}/sites/${data.sites[0].site}` : `${HOME}/sites`;
  return h(Navigate, { to, replace: true });
}

function Nowhere() {
  return h(
    Page,
    { title: "Nothing here" },
    h(Empty, { title: "There is no such page" }, h(Link, { to: HOME }, "Go to the first page")),
  );
}

offer({ OneRoster, "OneRoster run": DagRunTab });
