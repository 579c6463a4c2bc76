/** The search for a person or a course. */

import { useApi } from "../../lib/api.js";
import { Empty, Failure, HOME, Loading, Page, h } from "../../lib/ui.js";
import { counted } from "../../lib/words.js";
import { RecordName } from "../run/fields.js";
import { Rows } from "../run/rows.js";
import { Managed, Status, kindLabel } from "./standing.js";

const { Box, Button, Flex, Input, Text } = globalThis.ChakraUI;
const { Link, useNavigate, useParams, useSearchParams } = globalThis.ReactRouterDOM;
const { useEffect, useState } = globalThis.React;

const MOST = 20;

/**
 * Find a user or a course; what is searched for stands in the address.
 *
 * @param {object} props
 * @param {object} props.may What the viewer may do.
 */
export function Why({ may }) {
  const { site } = useParams();
  const [params] = useSearchParams();
  const q = (params.get("q") ?? "").trim();
  return h(
    Page,
    { title: "Why?", site, may, tab: "why" },
    may.details
      ? h(
          Box,
          null,
          h(
            Text,
            { color: "fg.muted", fontSize: "sm", mb: "3" },
            "Find a person or a course to see what changed, when, by which run and from which row of which file.",
          ),
          h(SearchForm, { key: q, q }),
          q === "" ? h(Hints, null) : h(Found, { key: `${site} ${q}`, site, q }),
        )
      : h(
          Empty,
          { title: "Your role does not see persons" },
          "Ask an operator or an administrator of this Airflow.",
        ),
  );
}

function SearchForm({ q }) {
  const [words, setWords] = useState(q);
  const [, setParams] = useSearchParams();
  const search = (event) => {
    event.preventDefault();
    setParams(words.trim() === "" ? {} : { q: words.trim() });
  };
  return h(
    Flex,
    { as: "form", role: "search", gap: "2", align: "stretch", mb: "4", maxWidth: "40rem", onSubmit: search },
    h(Input, {
      type: "search",
      "aria-label": "Name, e-mail address, sourcedId or course code",
      placeholder: "Name, e-mail address, sourcedId or course code",
      value: words,
      maxLength: 200,
      autoFocus: true,
      onChange: (event) => setWords(event.target.value),
    }),
    h(Button, { type: "submit", colorPalette: "brand", height: "auto" }, "Search"),
  );
}

function Hints() {
  return h(
    Empty,
    { title: "Who or what are you looking for?" },
    "A part of a name is enough. So is an e-mail address, a sourcedId or a course code.",
  );
}

function Found({ site, q }) {
  const { data, problem, reload } = useApi(`sites/${encodeURIComponent(site)}/records`, {
    params: { q },
  });
  const navigate = useNavigate();
  const only = data?.records.length === 1 ? data.records[0] : null;
  useEffect(() => {
    if (only) {
      navigate(pathOf(site, only), { replace: true });
    }
  }, [only, site, navigate]);
  if (!data || only) {
    return problem ? h(Failure, { problem, retry: reload }) : h(Loading, { height: "16rem" });
  }
  const { records } = data;
  if (records.length === 0) {
    return h(
      Empty,
      { title: "Nobody and nothing fits" },
      "Try a part of the name, or the sourcedId as the SIS writes it. Students are never stored, and a row that has had errors from its first day is not in the roster: look for it among the findings of a run.",
    );
  }
  return h(
    Box,
    null,
    h(
      Text,
      { color: "fg.muted", fontSize: "sm", mb: "2", role: "status" },
      records.length < MOST
        ? counted(records.length, "record")
        : `The first ${MOST} records; search for more of the name to narrow them down`,
    ),
    h(Rows, {
      caption: "Records that fit",
      rows: records,
      rowKey: ({ kind, id }) => `${kind} ${id}`,
      columns: [
        { key: "record", label: "Record", cell: (record) => h(Named, { site, record }) },
        { key: "kind", label: "Kind", width: "8rem", cell: ({ kind }) => kindLabel(kind) },
        { key: "email", label: "E-mail", width: "28%", cell: ({ email }) => email ?? "–" },
        { key: "status", label: "Status", width: "9rem", cell: (record) => h(Status, { record }) },
        { key: "managed", label: "Kept by", width: "10rem", cell: (record) => h(Managed, { record }) },
      ],
    }),
  );
}

function Named({ site, record }) {
  return h(
    Box,
    { asChild: true, display: "block", color: "fg.info", _hover: { textDecoration: "underline" } },
    h(
      Link,
      { to: pathOf(site, record) },
      h(RecordName, { label: record.label, sourcedId: record.sourced_id }),
    ),
  );
}

function pathOf(site, { kind, id }) {
  return `${HOME}/sites/${encodeURIComponent(site)}/why/${kind}/${id}`;
}
