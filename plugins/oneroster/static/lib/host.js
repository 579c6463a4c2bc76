/** What has to be known about the page of Airflow that shows ours. */

import { Loading, h } from "./ui.js";

const { useLocation, useNavigate } = globalThis.ReactRouterDOM;
const { useEffect, useState } = globalThis.React;

const PATIENCE_MS = 200;

/**
 * Return a component that keeps its state when the address changes.
 *
 * The first time, Airflow shows a plugin's component through `React.lazy`; from its next rendering
 * on it shows the component itself. To React these are two things, so it would throw away what
 * somebody has typed by then. Going to the same address once lets that happen before there is
 * anything to lose.
 *
 * @param {function(object): *} component
 * @returns {function(object): *}
 */
export function settled(component) {
  let isSettled = false;
  return function Settled(props) {
    const [isReady, setIsReady] = useState(isSettled);
    const location = useLocation();
    const navigate = useNavigate();
    useEffect(() => {
      if (isReady) {
        return undefined;
      }
      isSettled = true;
      navigate(location, { replace: true, state: location.state });
      const timer = setTimeout(() => setIsReady(true), PATIENCE_MS);
      return () => clearTimeout(timer);
    }, []);
    return isReady ? h(component, props) : h(Loading, null);
  };
}
