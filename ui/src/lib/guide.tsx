/** The "?" that leads to a page of the guide. */

import { Box } from "@chakra-ui/react";
import { Link } from "react-router-dom";

/** Where the pages live in Airflow. */
export const HOME = "/plugin/oneroster";

/** Return the address of a page of the guide, such as `summer-break.md`, maybe with a heading. */
export function guidePage(name: string) {
  return `${HOME}/docs/guide/${name.replace("README.md", "overview").replace(".md", "")}`;
}

/**
 * A question mark that leads to a page of the guide.
 *
 * @param props.page The page, as it is named in docs/guide.
 * @param props.about What it helps with.
 */
export function GuideLink({ page, about }: { page: string; about: string }) {
  return (
    <Box
      asChild
      width="5"
      height="5"
      flex="none"
      borderRadius="full"
      borderWidth="1px"
      borderColor="border.emphasized"
      color="fg.muted"
      fontSize="xs"
      fontWeight="bold"
      display="inline-flex"
      alignItems="center"
      justifyContent="center"
      _hover={{ color: "fg", borderColor: "fg" }}
    >
      <Link to={guidePage(page)} target="_blank" title="Guide" aria-label={`Guide: ${about}`}>
        ?
      </Link>
    </Box>
  );
}
