/** One upload from the choice of a file to the run that reads it. */

import { upload } from "../../lib/api.js";
import { size } from "../../lib/words.js";
import { kindOf } from "./kinds.js";

const { useCallback, useEffect, useRef, useState } = globalThis.React;

const IDLE = { kind: null, file: null, stage: "idle", sent: 0, problem: null, answer: null, last: null };

/**
 * Keep the one upload of the page.
 *
 * Its `stage` is idle, chosen, sending, refused, cancelled or done; `last` is the kind that was put
 * aside just now.
 *
 * @param {string} site
 * @param {object|null} limits Bytes that each kind may have.
 * @returns {{state: object, choose: function, send: function, cancel: function, reset: function}}
 */
export function useUpload(site, limits) {
  const [state, setState] = useState(IDLE);
  const request = useRef(null);
  useEffect(() => () => request.current?.cancel(), []);

  const choose = useCallback(
    (kind, files) => {
      const problem = refusal(kind, files, limits);
      const [file] = files;
      setState({ ...IDLE, kind, file: file ?? null, stage: problem ? "refused" : "chosen", problem });
    },
    [limits],
  );

  async function send(kind, file) {
    const problem = refusal(kind, [file], limits);
    if (problem) {
      setState({ ...IDLE, kind, file, stage: "refused", problem });
      return;
    }
    setState({ ...IDLE, kind, file, stage: "sending" });
    const under = upload(`sites/${site}/uploads`, { kind, name: file.name }, file, (sent) =>
      setState((old) => (old.stage === "sending" ? { ...old, sent } : old)),
    );
    request.current = under;
    try {
      const answer = await under.done;
      setState((old) => ({ ...old, stage: "done", answer }));
    } catch (caught) {
      setState((old) =>
        caught
          ? { ...old, stage: "refused", problem: caught }
          : { ...old, stage: "cancelled", sent: 0 },
      );
    } finally {
      request.current = null;
    }
  }

  return {
    state,
    choose,
    send,
    cancel: () => request.current?.cancel(),
    reset: () => setState((old) => ({ ...IDLE, last: old.kind })),
  };
}

/** Say why a file cannot be sent at all, as the server would. */
function refusal(kind, files, limits) {
  if (files.length !== 1) {
    return told("One file at a time", `These are ${files.length} files. Choose the one that is to be read.`);
  }
  const [file] = files;
  if (file.isFolder) {
    return told("This is a folder", "Zip what is in it, and upload the zip as OneRoster.zip.");
  }
  if (file.size === 0) {
    return told("The file is empty", "Export it again, and look at its size before you upload it.");
  }
  const most = limits?.[kind];
  if (most && file.size > most) {
    return told(
      "The file is too large",
      `${file.name} has ${size(file.size)}; ${kindOf(kind).file} may have ${size(most)}. Export less, or let the scheduled sync read it from its source.`,
    );
  }
  return null;
}

function told(title, detail) {
  return { title, detail, status: null, code: null };
}
