/** What several pages say in the same words. */

export const SHARED = {
  pagesOfList: "Pages of the list",
  fileTooLarge: "The file is too large",
  alreadyUndone: "Nothing to undo: the records are already as they were.",
  seeInAirflow: "See it in Airflow",
};
