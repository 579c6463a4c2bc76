/** What is asked before a site is made, copied, archived, restored or switched on. */

import {
  Box,
  Button,
  CloseButton,
  Dialog,
  Flex,
  Input,
  type InputProps,
  Text,
} from "@chakra-ui/react";
import {
  type Dispatch,
  type FormEvent,
  type RefObject,
  type SetStateAction,
  useEffect,
  useRef,
  useState,
} from "react";
import { Link } from "react-router-dom";
import { asProblem, post, type Problem, put } from "../../lib/api";
import { Confirm, Framed } from "../../lib/dialogs";
import type { SiteState } from "../../lib/openapi";
import { sayDone } from "../../lib/toasts";
import { type ControlProps, Failure, Field, HOME } from "../../lib/ui";

const BLANK = { site: "", admin: "" };

/**
 * Make a site, or copy one.
 *
 * @param props.site The one that is copied; null makes one with default preferences.
 */
export function NewSite({
  open,
  site,
  onClose,
  onDone,
}: {
  open: boolean;
  site: SiteState | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const [given, setGiven] = useState(BLANK);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (open) {
      setGiven(BLANK);
      setProblem(null);
    }
  }, [open]);
  const make = async (event: FormEvent) => {
    event.preventDefault();
    setIsBusy(true);
    setProblem(null);
    try {
      const trimmed = { site: given.site.trim(), admin: given.admin.trim() };
      await (site ? post(`sites/${site.site}/copy`, trimmed) : post("sites", trimmed));
      sayDone(`${site ? "Site copied" : "Site created"}: ${trimmed.site}`);
      onDone();
      onClose();
    } catch (caught) {
      setProblem(asProblem(caught));
      first.current?.focus();
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <Framed
      open={open}
      onOpenChange={(event) => !event.open && !isBusy && onClose()}
      initialFocusEl={() => first.current}
      content={{ as: "form", onSubmit: make, noValidate: true }}
    >
      <Dialog.Header>
        <Dialog.Title>{site ? `Copy ${site.site}` : "New site"}</Dialog.Title>
      </Dialog.Header>
      <Dialog.Body>
        <Fields given={given} setGiven={setGiven} problem={problem} first={first} copied={site} />
      </Dialog.Body>
      <Dialog.Footer>
        <Button variant="outline" disabled={isBusy} onClick={onClose}>
          Cancel
        </Button>
        <Button type="submit" colorPalette="brand" loading={isBusy}>
          {site ? "Copy" : "Create site"}
        </Button>
      </Dialog.Footer>
      <Dialog.CloseTrigger asChild>
        <CloseButton size="sm" aria-label="Close" />
      </Dialog.CloseTrigger>
    </Framed>
  );
}

function Fields({
  given,
  setGiven,
  problem,
  first,
  copied,
}: {
  given: { site: string; admin: string };
  setGiven: Dispatch<SetStateAction<{ site: string; admin: string }>>;
  problem: Problem | null;
  first: RefObject<HTMLInputElement | null>;
  copied: SiteState | null;
}) {
  const errors: Record<string, string> = Object.fromEntries(
    (problem?.errors ?? []).map(({ field, message }) => [field, message]),
  );
  const isElsewhere = problem && !errors.site && !errors.admin;
  const box =
    (name: keyof typeof BLANK, more: InputProps & { ref?: RefObject<HTMLInputElement | null> }) =>
    (control: ControlProps) => (
      <Input
        {...control}
        {...more}
        value={given[name]}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setGiven((old) => ({ ...old, [name]: event.target.value }))}
      />
    );
  return (
    <Flex direction="column" gap="4">
      {isElsewhere && <Failure problem={problem} />}
      <Field
        label="Name"
        required
        help="Lowercase letters, digits, - and _. It is part of addresses and DAG ids, and can't be changed later."
        error={errors.site && (problem?.code === "site.exists" ? errors.site : WRONG_NAME)}
        children={box("site", { ref: first, maxLength: 63 })}
      />
      <Field
        label="E-mail address of its administrator"
        required
        help="The account is made with the site, and is credited with what syncs change."
        error={errors.admin && "Enter a valid e-mail address."}
        children={box("admin", { type: "email" })}
      />
      <Text color="fg.muted" fontSize="sm">
        {copied ? COPIED : MADE}
      </Text>
    </Flex>
  );
}

const WRONG_NAME =
  "A name has 1 to 63 lowercase letters, digits, - or _, and begins with a letter or a digit.";

const MADE = "It has default preferences, and its sync is off.";

const COPIED =
  "All preferences are copied, the source too: change it in the copy. Roster, runs and a raised limit don't, and its sync is off.";

/** Archive a site, once it was said what follows. */
export function ArchiveSite({
  open,
  site,
  onClose,
  onDone,
}: {
  open: boolean;
  site: SiteState | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const archive = async () => {
    await post(`sites/${site?.site}/archive`);
    sayDone(`Site archived: ${site?.site}`);
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Archive ${site?.site}?`}
      verb="Archive"
      palette="danger"
      onConfirm={archive}
    >
      <Flex direction="column" gap="3">
        <Text>
          Its DAGs disappear, and no run of it can begin: not by the schedule, an upload or the
          command line.
        </Text>
        <Text>
          A plan that waits for a decision is discarded, and so is a run that has not ended.
        </Text>
        <Text color="fg.muted" fontSize="sm">
          Its roster, history and audit can still be read. It can be restored, with its sync off.
        </Text>
      </Flex>
    </Confirm>
  );
}

/** Bring a site back. */
export function RestoreSite({
  open,
  site,
  onClose,
  onDone,
}: {
  open: boolean;
  site: SiteState | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const restore = async () => {
    await post(`sites/${site?.site}/restore`);
    sayDone(`Site restored: ${site?.site}`);
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Restore ${site?.site}?`}
      verb="Restore"
      onConfirm={restore}
    >
      <Text>
        It comes back as it was, with its sync off. Requests from before it was archived are not
        carried out.
      </Text>
    </Confirm>
  );
}

/** Switch a site's sync on. */
export function SwitchOn({
  open,
  site,
  onClose,
  onDone,
}: {
  open: boolean;
  site: SiteState | null;
  onClose: () => void;
  onDone: () => void;
}) {
  const switchOn = async () => {
    await put(`sites/${site?.site}/enabled`, { enabled: true });
    sayDone(`Sync of ${site?.site} switched on`);
    onDone();
  };
  return (
    <Confirm
      open={open}
      onClose={onClose}
      title={`Switch the sync of ${site?.site} on?`}
      verb="Switch on"
      onConfirm={switchOn}
    >
      <Box>
        <Text mb="3">
          It syncs by the schedule of its preferences from then on. Missed syncs are not run later.
        </Text>
        {site && (
          <Box asChild textDecoration="underline">
            <Link to={`${HOME}/sites/${site.site}/preferences`}>Look at its preferences first</Link>
          </Box>
        )}
      </Box>
    </Confirm>
  );
}
