/** Empty states: what is not there, and the next step. */

/** The words of an empty state. */
export interface EmptyText {
  title: string;
  text?: string;
}

const NO_MATCHES = "No matches";
const NO_ACCESS = "Your role can't see people";
/** The name of the page that looks records up. */
export const SEARCH = "Find a person or course";
const SEE_OVERVIEW = "The overview says why.";

/** The empty states of all pages. */
export const EMPTY = {
  page: { title: "Page not found" },
  dagRun: {
    title: "This DAG run is not a OneRoster sync",
    text: "Only the DAGs oneroster_sync__… and oneroster_upload__… sync a site.",
  },
  runs: { title: NO_MATCHES },
  neverSynced: {
    title: "This site has never been synced",
    text: "First choose the credited administrator, what syncs, and the schedule in the preferences. Then upload a package, or switch the sync on. The first sync only adds. It is held if accounts made by hand match people in the package.",
  },
  archived: { title: "No runs", text: "This site was archived before its first sync." },
  sites: { title: NO_MATCHES },
  unknownSite: {
    title: "Site not found",
    text: "The address may be mistyped, or be of another Airflow.",
  },
  noSite: { title: "No sites yet", text: "Create the first one with New site…." },
  noSiteToSee: {
    title: "You may see no site",
    text: "Ask an administrator of Airflow for access to its DAGs.",
  },
  searchAll: {
    title: SEARCH,
    text: "Type the beginning of a family name or a title, two letters or more; or a whole e-mail address or sourcedId.",
  },
  search: {
    title: SEARCH,
    text: "Type a part of a name, an e-mail address, a sourcedId or a course code.",
  },
  noAccess: { title: NO_ACCESS, text: "Ask an operator or an administrator of this Airflow." },
  foundNowhere: { title: NO_MATCHES },
  notFound: {
    title: NO_MATCHES,
    text: "Try a part of the name, or the sourcedId as the SIS writes it. Students are never stored. A row that has had errors since its first day is not in the roster: look in the findings of a run.",
  },
  record: { title: "Record not found", text: "It may be in another site." },
  unchanged: {
    title: "No sync has changed this record",
    text: "It was in the roster before the first run, or a person made it by hand.",
  },
  recordFindings: { title: "No findings", text: "All of its rows could be used without changes." },
  saves: { title: "No changes yet" },
  roster: { title: "No data yet", text: "The first point appears when a sync has been applied." },
  school: {
    title: "No data yet",
    text: "The users of schools are counted from the next run that changes some.",
  },
  decisions: {
    title: "No decisions",
    text: "No plan needed a decision in this month. Choose another month to see earlier decisions.",
  },
  changes: {
    title: NO_MATCHES,
    text: "Search for something else, or choose all kinds and all changes.",
  },
  noPlanYet: {
    title: "No plan yet",
    text: "The stage diff makes the plan. Its changes appear here then.",
  },
  noPlan: { title: "No plan", text: `The run ended before a plan was made. ${SEE_OVERVIEW}` },
  nothingToUndo: { title: "Nothing to undo", text: "The records are already as they were." },
  inStep: { title: "No changes needed", text: "The roster already matches the package." },
  counts: { title: "Not counted yet", text: "The numbers appear when the plan has been made." },
  logYet: { title: "No lines yet", text: "Lines appear here as soon as the first stage starts." },
  log: { title: NO_MATCHES, text: "Search for another word, or show all levels." },
  noLog: { title: "This run has no log" },
  accounts: { title: NO_MATCHES },
  comparison: {
    title: "Nothing to compare with",
    text: "No run of this site before this one read such a package.",
  },
  expired: { title: "No longer stored" },
  reportYet: {
    title: "No report yet",
    text: "The stage validate writes it when it has checked every file.",
  },
  report: {
    title: "No files were validated",
    text: `The run ended before its files were checked, or it is an undo, which reads no file. ${SEE_OVERVIEW}`,
  },
  causes: { title: NO_MATCHES, text: "Show errors and warnings to see all." },
  rows: { title: NO_MATCHES, text: "Search for another sourcedId, file, column or code." },
  findingsYet: {
    title: "No findings so far",
    text: "Findings appear here as soon as a stage reports them.",
  },
  findingsOfFailed: { title: "No findings", text: `The run ended early. ${SEE_OVERVIEW}` },
  noFile: { title: "Nothing to fix", text: "An undo reads no file." },
  noFindings: { title: "Nothing to fix", text: "All rows could be used without changes." },
  run: { title: "Run not found" },
} satisfies Record<string, EmptyText>;
