/** The guide and the reference of the version that is installed. */

import { Box, Flex, Link as Anchor, Text } from "@chakra-ui/react";
import { type MouseEvent, useEffect, useRef } from "react";
import { Link, useLocation, useNavigate, useParams } from "react-router-dom";
import { type Problem, useApi } from "../lib/api";
import { Empty, Failure, HOME, Loading, Page } from "../lib/ui";
import { EMPTY } from "../words/empty";

const DOCS = `${HOME}/docs`;

const PARTS = [
  { part: "guide", label: "The guide" },
  { part: "reference", label: "Reference" },
];

/** How what comes as HTML looks among Airflow's own pages. */
const WRITTEN = {
  lineHeight: "tall",
  "& h2": { fontSize: "xl", fontWeight: "semibold", mt: "8", mb: "3", scrollMarginTop: "4" },
  "& h3": { fontSize: "lg", fontWeight: "semibold", mt: "6", mb: "2", scrollMarginTop: "4" },
  "& p, & ul, & ol, & pre, & table": { mb: "4" },
  "& ul": { listStyle: "disc", pl: "6" },
  "& ol": { listStyle: "decimal", pl: "6" },
  "& li > p": { mb: "2" },
  "& a": { color: "fg.info", textDecoration: "underline" },
  "& code": { fontFamily: "mono", fontSize: "0.9em", bg: "bg.muted", px: "1", borderRadius: "sm" },
  "& pre": { bg: "bg.muted", p: "3", borderRadius: "md", overflowX: "auto" },
  "& pre code": { bg: "transparent", p: "0" },
  "& table": { display: "block", overflowX: "auto", borderCollapse: "collapse" },
  "& th, & td": {
    borderBottomWidth: "1px",
    textAlign: "start",
    verticalAlign: "top",
    px: "3",
    py: "2",
  },
  "& th": { fontWeight: "semibold", bg: "bg.subtle" },
};

/** A page of the guide or of the reference, beside the list of all. */
export function Documents() {
  const { part = "guide", page = "overview" } = useParams();
  const list = useApi("docs");
  const { data, problem, reload } = useApi(`docs/${part}/${page}`);
  const title = data?.title ?? "Guide";
  return (
    <Page title={title}>
      <Flex gap="8" align="start" direction={{ base: "column-reverse", lg: "row" }}>
        <Box as="nav" aria-label="Documentation" flex="none" width={{ base: "100%", lg: "15rem" }}>
          {PARTS.map(({ part: of, label }) => (
            <Box key={of} mb="5">
              <Text fontSize="sm" fontWeight="semibold" color="fg.muted" mb="1">
                {label}
              </Text>
              {(list.data?.pages ?? [])
                .filter(({ name }) => name.startsWith(`${of}/`))
                .map(({ name, title: shown }) => (
                  <Anchor
                    asChild
                    key={name}
                    display="block"
                    py="1"
                    fontWeight={name === `${part}/${page}` ? "semibold" : undefined}
                  >
                    <Link
                      to={`${DOCS}/${name}`}
                      aria-current={name === `${part}/${page}` ? "page" : undefined}
                    >
                      {shown}
                    </Link>
                  </Anchor>
                ))}
            </Box>
          ))}
        </Box>
        <Box flex="1" minWidth="0" width="100%" maxWidth="48rem">
          {data && <Written html={data.html} />}
          {!data && problem && <Missing problem={problem} retry={reload} />}
          {!data && !problem && <Loading />}
        </Box>
      </Flex>
    </Page>
  );
}

function Missing({ problem, retry }: { problem: Problem; retry: () => void }) {
  return problem.status === 404 ? (
    <Empty title={EMPTY.page.title}>
      This installation has no such page of the documentation.{" "}
      <Anchor asChild textDecoration="underline">
        <Link to={DOCS}>Open the guide</Link>
      </Anchor>
    </Empty>
  ) : (
    <Failure problem={problem} retry={retry} />
  );
}

/** What stands under the heading; links among the pages do not load Airflow anew. */
function Written({ html }: { html: string }) {
  const box = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const { hash } = useLocation();
  useEffect(() => {
    const heading = hash && box.current?.querySelector(`[id="${CSS.escape(hash.slice(1))}"]`);
    if (heading) {
      heading.scrollIntoView();
    }
  }, [hash, html]);

  function follow(event: MouseEvent<HTMLDivElement>) {
    const link = (event.target as Element).closest("a");
    if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    const at = link.href.indexOf(`${DOCS}/`);
    if (at >= 0) {
      event.preventDefault();
      void navigate(link.href.slice(at));
    }
  }

  return (
    // The links inside are what is clicked, and take the keyboard by themselves.
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
    <div onClick={follow}>
      {/* The HTML is made of this project's own Markdown, in which HTML counts as text. */}
      <Box ref={box} css={WRITTEN} dangerouslySetInnerHTML={{ __html: html }} />
    </div>
  );
}
