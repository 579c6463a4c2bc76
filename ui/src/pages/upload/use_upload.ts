/** One upload from the choice of a file to the run that reads it. */

import { useCallback, useEffect, useRef, useState } from "react";
import { type Answer, asProblem, Problem, type Sending, upload } from "../../lib/api";
import type { Kind, UploadLimits } from "../../lib/openapi";
import { sayDone } from "../../lib/toasts";
import { size } from "../../lib/words";
import { kindOf, type UploadKind } from "./kinds";
import { SHARED } from "../../words/shared";

type Answered = Answer<"post", `sites/${string}/uploads`>;

/** Something that was dropped: a folder has no place here, and says so. */
export type Dropped = File & { isFolder?: boolean };

/** Where the one upload of a page is. */
export interface UploadState {
  kind: Kind | null;
  file: Dropped | null;
  stage: "idle" | "chosen" | "sending" | "refused" | "cancelled" | "done";
  sent: number;
  /** Whether the file is only checked: its plan is made and shown, and nothing is applied. */
  isCheck: boolean;
  problem: Problem | null;
  answer: Answered | null;
  /** The kind that was put aside just now. */
  last: Kind | null;
}

const IDLE: UploadState = {
  kind: null,
  file: null,
  stage: "idle",
  sent: 0,
  isCheck: false,
  problem: null,
  answer: null,
  last: null,
};

/**
 * Keep the one upload of the page.
 *
 * Its `stage` is idle, chosen, sending, refused, cancelled or done; `last` is the kind that was put
 * aside just now.
 *
 * @param limits Bytes that each kind may have.
 */
export function useUpload(site: string, limits: UploadLimits | null) {
  const [state, setState] = useState<UploadState>(IDLE);
  const request = useRef<Sending<Answered> | null>(null);
  useEffect(() => () => request.current?.cancel(), []);

  const choose = useCallback(
    (kind: Kind, files: Dropped[]) => {
      const problem = refusal(kind, files, limits);
      const [file] = files;
      setState({
        ...IDLE,
        kind,
        file: file ?? null,
        stage: problem ? "refused" : "chosen",
        problem,
      });
    },
    [limits],
  );

  async function send(kind: Kind, file: Dropped, isCheck = false) {
    const problem = refusal(kind, [file], limits);
    if (problem) {
      setState({ ...IDLE, kind, file, isCheck, stage: "refused", problem });
      return;
    }
    setState({ ...IDLE, kind, file, isCheck, stage: "sending" });
    const params = { kind, name: file.name, check_only: isCheck ? "true" : undefined };
    const under = upload(`sites/${site}/uploads`, params, file, (sent) =>
      setState((old) => (old.stage === "sending" ? { ...old, sent } : old)),
    );
    request.current = under;
    try {
      const answer = await under.done;
      sayDone(isCheck ? "Check requested" : "Sync requested", `${file.name} is uploaded.`);
      setState((old) => ({ ...old, stage: "done", answer }));
    } catch (caught) {
      setState((old) =>
        caught
          ? { ...old, stage: "refused", problem: asProblem(caught) }
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

/** The upload of a page, and what can be uploaded there. */
export type Uploading = ReturnType<typeof useUpload> & { kinds: UploadKind[] };

/** Say why a file cannot be sent at all, as the server would. */
function refusal(kind: Kind, files: Dropped[], limits: UploadLimits | null) {
  if (files.length !== 1) {
    return refuse("One file at a time", `These are ${files.length} files. Choose one of them.`);
  }
  const [file] = files;
  if (file.isFolder) {
    return refuse("This is a folder", "Zip what is in it, and upload the zip as OneRoster.zip.");
  }
  if (file.size === 0) {
    return refuse(
      "The file is empty",
      "Export it again, and look at its size before you upload it.",
    );
  }
  const most = limits?.[kind];
  if (most && file.size > most) {
    return refuse(
      SHARED.fileTooLarge,
      `${file.name} has ${size(file.size)}; ${kindOf(kind)?.file} may have ${size(most)}. Export less, or let the scheduled sync read it from its source.`,
    );
  }
  return null;
}

function refuse(title: string, detail: string) {
  return new Problem({ title, detail, status: null });
}
