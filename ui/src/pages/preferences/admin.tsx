/** The credited administrator: the account that is recorded as author of every change, and the box to search it. */

import { Alert, Box, Flex, Input, InputGroup, Spinner, Text } from "@chakra-ui/react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { BAD } from "../../lib/colors";
import { type Problem, useApi } from "../../lib/api";
import type { Account } from "../../lib/openapi";
import type { ControlProps } from "../../lib/ui";
import { Setting, useForm } from "./fields";

/** The setting of the credited administrator. */
export function Credited() {
  const { base, draft, change, site } = useForm();
  const isGone =
    !base.credited_admin_active &&
    base.settings.credited_admin &&
    draft.credited_admin === base.settings.credited_admin;
  return (
    <Box>
      <Setting path="credited_admin" required>
        {(control) => (
          <AccountBox
            {...control}
            site={site}
            value={draft.credited_admin}
            onChange={(email) => change("credited_admin", email)}
          />
        )}
      </Setting>
      {isGone && (
        <Alert.Root status="warning" maxWidth="48rem" mt="2">
          <Alert.Indicator />
          <Alert.Content>
            <Alert.Title>This account is not active any more</Alert.Title>
            <Alert.Description>
              Until another one is chosen every sync fails before it changes anything.
            </Alert.Description>
          </Alert.Content>
        </Alert.Root>
      )}
    </Box>
  );
}

const TYPING_MS = 200;

/**
 * Search an account while one types, and choose one with the mouse or the arrow keys.
 *
 * @param props.value E-mail address of the account that is chosen.
 */
export function AccountBox({
  site,
  value,
  onChange,
  ...control
}: {
  site: string;
  value: string | null | undefined;
  onChange: (email: string) => void;
} & ControlProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const [isOpen, setIsOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const listId = useId();
  const search = useSearch(site, isOpen ? (typed ?? "") : null);
  const { accounts } = search;

  useEffect(() => setActive(-1), [accounts]);

  function open() {
    setIsOpen(true);
  }
  function close() {
    setIsOpen(false);
    setTyped(null);
    setActive(-1);
  }
  function choose(account: Account) {
    onChange(account.email);
    close();
  }
  function onKeyDown(event: KeyboardEvent<HTMLInputElement>) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (!isOpen) {
        open();
      } else if (accounts.length) {
        const from = active < 0 && step < 0 ? 0 : active;
        setActive((from + step + accounts.length) % accounts.length);
      }
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      if (accounts[active]) {
        choose(accounts[active]);
      }
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      close();
    }
  }

  return (
    <Box position="relative" maxWidth="30rem">
      <InputGroup endElement={isOpen && search.isBusy ? <Spinner size="xs" /> : null}>
        <Input
          {...control}
          role="combobox"
          autoComplete="off"
          spellCheck={false}
          aria-expanded={isOpen}
          aria-controls={listId}
          aria-autocomplete="list"
          aria-activedescendant={active >= 0 ? `${listId}-${active}` : undefined}
          placeholder="Search a name or an e-mail address"
          maxLength={200}
          value={typed ?? value ?? ""}
          onChange={(event) => {
            setTyped(event.target.value);
            open();
          }}
          onClick={open}
          onFocus={(event) => event.target.select()}
          onBlur={close}
          onKeyDown={onKeyDown}
        />
      </InputGroup>
      <Box
        hidden={!isOpen}
        position="absolute"
        insetInline={0}
        top="calc(100% + 4px)"
        zIndex="dropdown"
        bg="bg.panel"
        borderWidth="1px"
        borderColor="border.emphasized"
        borderRadius="md"
        boxShadow="md"
        maxHeight="18rem"
        overflowY="auto"
        p="1"
        onMouseDown={(event) => event.preventDefault()}
      >
        <Box as="ul" id={listId} role="listbox" aria-label="Accounts" listStyleType="none">
          {isOpen &&
            accounts.map((account, index) => (
              <AccountRow
                key={account.email}
                id={`${listId}-${index}`}
                account={account}
                isActive={index === active}
                isChosen={account.email === value}
                onChoose={() => choose(account)}
              />
            ))}
        </Box>
        <Status search={search} />
      </Box>
    </Box>
  );
}

function AccountRow({
  id,
  account,
  isActive,
  isChosen,
  onChoose,
}: {
  id: string;
  account: Account;
  isActive: boolean;
  isChosen: boolean;
  onChoose: () => void;
}) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isActive) {
      row.current?.scrollIntoView({ block: "nearest" });
    }
  }, [isActive]);
  return (
    <Flex
      as="li"
      ref={row}
      id={id}
      role="option"
      aria-selected={isChosen}
      justify="space-between"
      align="center"
      gap="3"
      px="3"
      py="2"
      borderRadius="sm"
      cursor="pointer"
      bg={isActive ? "bg.emphasized" : undefined}
      _hover={{ bg: "bg.muted" }}
      onClick={onChoose}
    >
      <Box minWidth={0}>
        <Text fontWeight={isChosen ? "bold" : "medium"} truncate>
          {account.name}
        </Text>
        <Text color="fg.muted" fontSize="sm" truncate>
          {account.email}
        </Text>
      </Box>
      <Text color="fg.muted" fontSize="xs" flex="none">
        {account.role}
      </Text>
    </Flex>
  );
}

function Status({ search: { accounts, isBusy, problem } }: { search: Search }) {
  let words = "";
  if (problem) {
    words = problem.detail;
  } else if (!isBusy && accounts.length === 0) {
    words = "No active account matches. Try another part of the name.";
  }
  return (
    <Text
      role="status"
      color={problem ? BAD : "fg.muted"}
      fontSize="sm"
      px="3"
      py={words || isBusy ? "2" : "0"}
    >
      {words || (accounts.length === 0 && isBusy ? "Searching…" : "")}
    </Text>
  );
}

/** What a search has found. */
interface Search {
  accounts: Account[];
  isBusy: boolean;
  problem: Problem | null;
}

function useSearch(site: string, typed: string | null): Search {
  const [settled, setSettled] = useState<string | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(typed), typed ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [typed]);
  const path = settled === null ? null : (`sites/${site}/accounts` as const);
  const { data, problem, loading } = useApi(path, { params: { q: settled?.trim() } });
  return {
    accounts: (path && data?.accounts) || NONE,
    isBusy: loading || settled !== typed,
    problem,
  };
}

const NONE: Account[] = [];
