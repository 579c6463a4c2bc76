/** In which order sites are listed, and which of them. */

import type { SiteState } from "../../lib/openapi";

/** What the list can be sorted by. */
export type SortKey = "attention" | "site" | "users" | "errors" | "applied" | "export" | "next";

/** By what the list is sorted, and whether the other way round. */
export interface Sorting {
  by: SortKey;
  isReversed: boolean;
}

/** What the list can be narrowed to. */
export const SHOWN: Record<string, string> = {
  all: "All in use",
  attention: "Needs attention",
  approval: "Needs approval",
  off: "Sync off",
  archived: "Archived",
};

const GRAVE: Record<string, number> = { error: 0, warning: 1 };

/** How a site compares with others: small ones come first. A site that has no such value comes last. */
const KEYS: Record<SortKey, (site: SiteState) => number | string | null> = {
  attention: ({ health }) => GRAVE[health.level ?? ""] ?? 2,
  site: ({ title, site }) => (title ?? site).toLowerCase(),
  users: ({ health }) => (health.active ? -health.active.users : null),
  errors: ({ health }) => (health.errors === null ? null : -health.errors),
  applied: ({ standstill }) => standstill.since && Date.parse(standstill.since),
  export: ({ health }) => (health.has_export ? -health.export_days : null),
  next: ({ next_run: next }) => next && Date.parse(next),
};

/** Return the sites that are asked for, in order; those that are alike by their name. */
export function listed(sites: SiteState[], text: string, shown: string, sorting: Sorting) {
  const wanted = text.trim().toLowerCase();
  const key = KEYS[sorting.by];
  const sign = sorting.isReversed ? -1 : 1;
  return sites
    .filter((site) => isShown(site, shown))
    .filter(({ site, title }) => `${site} ${title ?? ""}`.toLowerCase().includes(wanted))
    .map((site) => ({ site, value: key(site) }))
    .sort((one, other) => sign * compared(one.value, other.value) || byName(one.site, other.site))
    .map(({ site }) => site);
}

function isShown(site: SiteState, shown: string) {
  if (shown === "archived" || site.archived_at) {
    return shown === "archived" && Boolean(site.archived_at);
  }
  const asked: Record<string, boolean> = {
    attention: site.health.level !== null,
    approval: site.health.waiting > 0,
    off: site.enabled === false,
  };
  return asked[shown] ?? true;
}

function compared(one: number | string | null, other: number | string | null) {
  if (one === null || other === null) {
    return Number(one === null) - Number(other === null);
  }
  return one < other ? -1 : Number(one > other);
}

function byName(one: SiteState, other: SiteState) {
  return one.site < other.site ? -1 : 1;
}
