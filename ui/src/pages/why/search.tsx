/** The search for a person or a course. */

import { Box, Button, Flex, Input, Text } from "@chakra-ui/react";
import { type SubmitEvent, useEffect, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router-dom";
import { useApi } from "../../lib/api";
import type { RecordFound } from "../../lib/openapi";
import { Empty, Failure, HOME, Loading, type May, Page } from "../../lib/ui";
import { counted } from "../../lib/words";
import { RecordName } from "../run/fields";
import { Rows } from "../run/lists";
import { kindLabel } from "../../words/records";
import { Managed, Status } from "./timeline";
import { EMPTY, SEARCH } from "../../words/empty";

const MOST = 20;

/** Find a user or a course in all sites of which one may see persons. */
export function WhyEverywhere() {
  const [params] = useSearchParams();
  const q = (params.get("q") ?? "").trim();
  const back = (
    <Button asChild size="sm" variant="outline">
      <Link to={`${HOME}/sites`}>Sites</Link>
    </Button>
  );
  return (
    <Page title="Find a person or course in all sites" guide="many-sites.md" actions={back}>
      <Text color="fg.muted" fontSize="sm" mb="3">
        By family name, given and family name, e-mail address, sourcedId or the title of a course.
      </Text>
      <SearchForm key={q} q={q} label={EVERYWHERE} />
      {q.length < SHORTEST ? <HintsEverywhere /> : <FoundEverywhere key={q} q={q} />}
    </Page>
  );
}

const EVERYWHERE = "Family name, e-mail address, sourcedId or title";

/** A beginning of fewer characters fits too many people. */
const SHORTEST = 2;

function HintsEverywhere() {
  return <Empty {...EMPTY.searchAll} />;
}

function FoundEverywhere({ q }: { q: string }) {
  const { data, problem, reload } = useApi("records", { params: { q } });
  if (!data) {
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="16rem" />;
  }
  const { records, sites } = data;
  if (sites === 0) {
    return <Empty {...EMPTY.noAccess} />;
  }
  if (records.length === 0) {
    return (
      <Empty title={EMPTY.foundNowhere.title}>
        {`No family name or title in ${counted(sites, "site")} begins so, and no e-mail address or sourcedId is exactly this. A part of a name is found in the Lookup of one site.`}
      </Empty>
    );
  }
  return (
    <Box>
      <Text color="fg.muted" fontSize="sm" mb="2" role="status">
        {records.length < MOST
          ? `${counted(records.length, "record")} in ${counted(sites, "site")}`
          : `The first ${MOST} records; search for more of the name to narrow them down`}
      </Text>
      <Rows
        caption="Records that fit, of all sites"
        rows={records}
        rowKey={({ kind, id }) => `${kind} ${id}`}
        columns={[
          {
            key: "record",
            label: "Record",
            cell: (record) => <Named site={record.site} record={record} />,
          },
          {
            key: "site",
            label: "Site",
            width: "16%",
            cell: ({ site, site_title: title }) => title ?? site,
          },
          { key: "kind", label: "Kind", width: "8rem", cell: ({ kind }) => kindLabel(kind) },
          { key: "email", label: "E-mail", width: "24%", cell: ({ email }) => email ?? "–" },
          {
            key: "status",
            label: "Status",
            width: "9rem",
            cell: (record) => <Status record={record} />,
          },
        ]}
      />
    </Box>
  );
}

/**
 * Find a user or a course; what is searched for stands in the address.
 *
 * @param props.may What the viewer may do.
 */
export function Why({ may }: { may: May }) {
  const { site = "" } = useParams();
  const [params] = useSearchParams();
  const q = (params.get("q") ?? "").trim();
  return (
    <Page title={SEARCH} site={site} may={may} tab="why">
      {may.details ? (
        <Box>
          <Text color="fg.muted" fontSize="sm" mb="3">
            Find a person or a course to see what changed, when, by which run and from which row of
            which file.
          </Text>
          <SearchForm key={q} q={q} />
          {q === "" ? <Hints /> : <Found key={`${site} ${q}`} site={site} q={q} />}
        </Box>
      ) : (
        <Empty {...EMPTY.noAccess} />
      )}
    </Page>
  );
}

function SearchForm({
  q,
  label = "Name, e-mail address, sourcedId or course code",
}: {
  q: string;
  label?: string;
}) {
  const [words, setWords] = useState(q);
  const [, setParams] = useSearchParams();
  const search = (event: SubmitEvent<HTMLDivElement>) => {
    event.preventDefault();
    setParams(words.trim() === "" ? {} : { q: words.trim() });
  };
  return (
    <Flex as="form" role="search" gap="2" align="stretch" mb="4" maxWidth="40rem" onSubmit={search}>
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        value={words}
        maxLength={200}
        // Who opens this page came to search.
        // eslint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        onChange={(event) => setWords(event.target.value)}
      />
      <Button type="submit" colorPalette="brand" height="auto">
        Search
      </Button>
    </Flex>
  );
}

function Hints() {
  return <Empty {...EMPTY.search} />;
}

function Found({ site, q }: { site: string; q: string }) {
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
    return problem ? <Failure problem={problem} retry={reload} /> : <Loading height="16rem" />;
  }
  const { records } = data;
  if (records.length === 0) {
    return <Empty {...EMPTY.notFound} />;
  }
  return (
    <Box>
      <Text color="fg.muted" fontSize="sm" mb="2" role="status">
        {records.length < MOST
          ? counted(records.length, "record")
          : `The first ${MOST} records; search for more of the name to narrow them down`}
      </Text>
      <Rows
        caption="Records that fit"
        rows={records}
        rowKey={({ kind, id }) => `${kind} ${id}`}
        columns={[
          {
            key: "record",
            label: "Record",
            cell: (record) => <Named site={site} record={record} />,
          },
          { key: "kind", label: "Kind", width: "8rem", cell: ({ kind }) => kindLabel(kind) },
          { key: "email", label: "E-mail", width: "28%", cell: ({ email }) => email ?? "–" },
          {
            key: "status",
            label: "Status",
            width: "9rem",
            cell: (record) => <Status record={record} />,
          },
          {
            key: "managed",
            label: "Managed by",
            width: "10rem",
            cell: (record) => <Managed record={record} />,
          },
        ]}
      />
    </Box>
  );
}

function Named({ site, record }: { site: string; record: RecordFound }) {
  return (
    <Box asChild display="block" color="fg.info" _hover={{ textDecoration: "underline" }}>
      <Link to={pathOf(site, record)}>
        <RecordName label={record.label} sourcedId={record.sourced_id} />
      </Link>
    </Box>
  );
}

function pathOf(site: string, { kind, id }: RecordFound) {
  return `${HOME}/sites/${encodeURIComponent(site)}/why/${kind}/${id}`;
}
