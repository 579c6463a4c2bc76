/** Where the operator's guide can be read. */

/** The folder of the guide's pages; they are named as in docs/guide. */
export const GUIDE = "https://github.com/oneroster-sync/oneroster-sync/blob/main/docs/guide";

/** Return the address of a page of the guide, such as `summer-break.md`. */
export function guidePage(name: string) {
  return `${GUIDE}/${name}`;
}
