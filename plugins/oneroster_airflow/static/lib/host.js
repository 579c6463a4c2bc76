/** What has to be known about the page of Airflow that shows ours. */

/**
 * Hand Airflow its components, by the names that it knows them by.
 *
 * One that is not there yet Airflow shows through `React.lazy`, which holds it back for a third of a
 * second. From its next rendering on it shows the component itself, and to React that is another
 * one: what somebody has typed by then would be lost. Telling the router that the address is still
 * the same makes Airflow render again at once, when there is nothing to lose yet.
 *
 * @param {object} components By name.
 */
export function offer(components) {
  Object.assign(globalThis, components);
  globalThis.dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}
