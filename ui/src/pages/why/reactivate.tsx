/** Putting back a person or a course that was deactivated or removed last: an undo of that alone. */

import { Button, Text } from "@chakra-ui/react";
import { Fragment, useState } from "react";
import { useNavigate } from "react-router-dom";
import { post, useApi } from "../../lib/api";
import { sayDone } from "../../lib/toasts";
import { Failure, HOME, Loading } from "../../lib/ui";
import { Ask } from "../run/ask";
import { Counts } from "../run/overview";
import { SHARED } from "../../words/shared";

/**
 * A button that puts a record back as it was before a run.
 *
 * @param props.runId The run that deactivated or removed it.
 */
export function Reactivate({
  site,
  runId,
  sourcedId,
  isUser,
}: {
  site: string;
  runId: string;
  sourcedId: string;
  isUser: boolean;
}) {
  const [isOpen, setIsOpen] = useState(false);
  const navigate = useNavigate();
  const { data, problem, reload } = useApi(isOpen ? `runs/${runId}/undo` : null, {
    params: { sourced_id: sourcedId },
  });
  const act = async () => {
    const made = await post(`runs/${runId}/undo`, { sourced_id: sourcedId, changed_too: false });
    sayDone("Reactivation requested");
    const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
    navigate(`${HOME}/runs/${made.run_id}?${query}`);
  };
  const whom = isUser ? "this person" : "this course";
  const changes = Object.values(data?.counts ?? {}).some((numbers) =>
    Object.values(numbers).some((count) => count > 0),
  );
  return (
    <Fragment>
      <Button size="sm" colorPalette="brand" onClick={() => setIsOpen(true)}>
        Reactivate…
      </Button>
      <Ask
        open={isOpen}
        close={() => setIsOpen(false)}
        title={`Reactivate ${whom}?`}
        verb="Reactivate"
        disabled={!changes}
        act={act}
      >
        <Text mb="3">
          {`A new run of ${site} puts ${whom} and its course assignments back as they were. `}
          It is judged by the limits of the site like any other.
        </Text>
        <Text mb="4" fontWeight="semibold">
          {`The next sync takes this back unless the SIS lists ${whom} again: correct the SIS too.`}
        </Text>
        {problem && <Failure problem={problem} retry={reload} />}
        {!data && !problem && <Loading height="6rem" />}
        {data && changes && <Counts counts={data.counts} isShort />}
        {data && !changes && <Text fontSize="sm">{data.left[0] ?? SHARED.alreadyUndone}</Text>}
      </Ask>
    </Fragment>
  );
}
