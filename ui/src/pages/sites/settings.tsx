/** The display name of a site, and the switch that stops the syncs of all. */

import { Field, Input, Text, Textarea } from "@chakra-ui/react";
import { useEffect, useState } from "react";
import { put } from "../../lib/api";
import { Confirm } from "../../lib/dialogs";
import type { SiteState } from "../../lib/openapi";
import { ASK } from "../../words/questions";
import { sayDone } from "../../lib/toasts";

interface Asked {
  open: boolean;
  site: SiteState | null;
  onClose: () => void;
  onDone: () => void;
}

/** Give a site a name for people; its id stays. */
export function RenameSite({ open, site, onClose, onDone }: Asked) {
  const [title, setTitle] = useState("");
  useEffect(() => {
    if (open) {
      setTitle(site?.title ?? "");
    }
  }, [open, site]);
  const rename = async () => {
    await put(`sites/${site?.site ?? ""}/title`, { title: title.trim() || null });
    sayDone("Display name saved");
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Display name of ${site?.site}`}
      verb="Save"
      onConfirm={rename}
    >
      <Field.Root>
        <Field.Label>Display name</Field.Label>
        <Input
          value={title}
          maxLength={100}
          placeholder="North County School District"
          onChange={(event) => setTitle(event.target.value)}
        />
        <Field.HelperText>
          Shown on the pages. Addresses, DAGs and commands keep the id. Leave it empty for the id.
        </Field.HelperText>
      </Field.Root>
    </Confirm>
  );
}

/** Stop the syncs of all sites, with a reason that everybody reads. */
export function StopAll({ open, onClose, onDone }: Asked) {
  const [reason, setReason] = useState("");
  useEffect(() => {
    if (open) {
      setReason("");
    }
  }, [open]);
  const stop = async () => {
    await put("maintenance", { reason });
    sayDone("All syncs stopped");
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={ASK.stopAll.title}
      verb={ASK.stopAll.verb}
      palette="danger"
      disabled={reason.trim() === ""}
      onConfirm={stop}
    >
      <Text mb="3">
        No sync of any site begins until you end the maintenance: scheduled ones are skipped,
        uploads and approvals are refused. Running syncs finish.
      </Text>
      <Field.Root required>
        <Field.Label>Reason</Field.Label>
        <Textarea
          value={reason}
          rows={2}
          maxLength={500}
          onChange={(event) => setReason(event.target.value)}
        />
        <Field.HelperText>
          Shown on every page, and kept in the audit of each site.
        </Field.HelperText>
      </Field.Root>
    </Confirm>
  );
}

/** Let the syncs of all sites go on as before. */
export function ResumeAll({ open, onClose, onDone }: Asked) {
  const resume = async () => {
    await put("maintenance", { reason: null });
    sayDone("All syncs resumed");
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={ASK.resumeAll.title}
      verb={ASK.resumeAll.verb}
      onConfirm={resume}
    >
      <Text>
        Each site continues as before: where its sync was on, it runs by its schedule. Syncs missed
        meanwhile are not run later.
      </Text>
    </Confirm>
  );
}
