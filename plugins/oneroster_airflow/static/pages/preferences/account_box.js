/** A box to search an account in, by name or e-mail address. */

import { useApi } from "../../lib/api.js";
import { h } from "../../lib/ui.js";

const { Box, Flex, Input, InputGroup, Spinner, Text } = globalThis.ChakraUI;
const { useEffect, useId, useRef, useState } = globalThis.React;

const TYPING_MS = 200;

/**
 * Search an account while one types, and choose one with the mouse or the arrow keys.
 *
 * @param {object} props With `id` and the `aria-` names of its field.
 * @param {string} props.site
 * @param {string|null} props.value E-mail address of the account that is chosen.
 * @param {boolean} props.isReadOnly
 * @param {function(string): void} props.onChange
 */
export function AccountBox({ site, value, isReadOnly, onChange, ...control }) {
  const [typed, setTyped] = useState(null);
  const [isOpen, setIsOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const listId = useId();
  const search = useSearch(site, isOpen ? (typed ?? "") : null);
  const { accounts } = search;

  useEffect(() => setActive(-1), [accounts]);

  function open() {
    if (!isReadOnly) {
      setIsOpen(true);
    }
  }
  function close() {
    setIsOpen(false);
    setTyped(null);
    setActive(-1);
  }
  function choose(account) {
    onChange(account.email);
    close();
  }
  function onKeyDown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !isReadOnly) {
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

  return h(
    Box,
    { position: "relative", maxWidth: "30rem" },
    h(
      InputGroup,
      { endElement: isOpen && search.isBusy ? h(Spinner, { size: "xs" }) : null },
      h(Input, {
        ...control,
        role: "combobox",
        autoComplete: "off",
        spellCheck: false,
        "aria-expanded": isOpen,
        "aria-controls": listId,
        "aria-autocomplete": "list",
        "aria-activedescendant": active >= 0 ? `${listId}-${active}` : undefined,
        placeholder: "Search a name or an e-mail address",
        readOnly: isReadOnly,
        maxLength: 200,
        value: typed ?? value ?? "",
        onChange: (event) => {
          setTyped(event.target.value);
          open();
        },
        onClick: open,
        onFocus: (event) => event.target.select(),
        onBlur: close,
        onKeyDown,
      }),
    ),
    h(
      Box,
      {
        hidden: !isOpen,
        position: "absolute",
        insetInline: 0,
        top: "calc(100% + 4px)",
        zIndex: "dropdown",
        bg: "bg.panel",
        borderWidth: "1px",
        borderColor: "border.emphasized",
        borderRadius: "md",
        boxShadow: "md",
        maxHeight: "18rem",
        overflowY: "auto",
        p: "1",
        onMouseDown: (event) => event.preventDefault(),
      },
      h(
        Box,
        { as: "ul", id: listId, role: "listbox", "aria-label": "Accounts", listStyleType: "none" },
        isOpen &&
          accounts.map((account, index) =>
            h(AccountRow, {
              key: account.email,
              id: `${listId}-${index}`,
              account,
              isActive: index === active,
              isChosen: account.email === value,
              onChoose: () => choose(account),
            }),
          ),
      ),
      h(Status, { search }),
    ),
  );
}

function AccountRow({ id, account, isActive, isChosen, onChoose }) {
  const row = useRef(null);
  useEffect(() => {
    if (isActive) {
      row.current.scrollIntoView({ block: "nearest" });
    }
  }, [isActive]);
  return h(
    Flex,
    {
      as: "li",
      ref: row,
      id,
      role: "option",
      "aria-selected": isChosen,
      justify: "space-between",
      align: "center",
      gap: "3",
      px: "3",
      py: "2",
      borderRadius: "sm",
      cursor: "pointer",
      bg: isActive ? "bg.emphasized" : undefined,
      _hover: { bg: "bg.muted" },
      onClick: onChoose,
    },
    h(
      Box,
      { minWidth: 0 },
      h(Text, { fontWeight: isChosen ? "bold" : "medium", truncate: true }, account.name),
      h(Text, { color: "fg.muted", fontSize: "sm", truncate: true }, account.email),
    ),
    h(Text, { color: "fg.muted", fontSize: "xs", flex: "none" }, account.role),
  );
}

function Status({ search: { accounts, isBusy, problem } }) {
  let words = "";
  if (problem) {
    words = problem.detail;
  } else if (!isBusy && accounts.length === 0) {
    words = "No active account fits. Try another part of the name.";
  }
  return h(
    Text,
    {
      role: "status",
      color: problem ? "fg.error" : "fg.muted",
      fontSize: "sm",
      px: "3",
      py: words || isBusy ? "2" : "0",
    },
    words || (accounts.length === 0 && isBusy ? "Searching…" : ""),
  );
}

function useSearch(site, typed) {
  const [settled, setSettled] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(typed), typed ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [typed]);
  const path = settled === null ? null : `sites/${site}/accounts`;
  const { data, problem, loading } = useApi(path, { params: { q: settled?.trim() } });
  return {
    accounts: (path && data?.accounts) || NONE,
    isBusy: loading || settled !== typed,
    problem,
  };
}

const NONE = [];
