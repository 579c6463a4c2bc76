/** What a page says of a file that was only checked: what would hold it, and what to do next. */

import { Box, Button, Clipboard, Flex, Heading, Text } from "@chakra-ui/react";
import { Link } from "react-router-dom";
import type { RunDetail } from "../../lib/openapi";
import { HOME, type May } from "../../lib/ui";

/** Say what came of a check. */
export function Checked({ run, may }: { run: RunDetail; may: May }) {
  const isBad = run.outcome === "rejected" || run.outcome === "failed";
  const tone = isBad ? "error" : run.holds.length > 0 ? "warning" : "success";
  return (
    <Box
      as="section"
      aria-labelledby="checked"
      borderWidth="1px"
      borderColor={`${tone}.emphasized`}
      borderInlineStartWidth="4px"
      borderInlineStartColor={`${tone}.solid`}
      borderRadius="md"
      p="4"
      mb="4"
    >
      <Heading as="h2" size="md" id="checked" mb="1">
        {titleOf(run, isBad)}
      </Heading>
      <Text color="fg.muted" fontSize="sm">
        {"Check only: nothing was changed, and no decision is needed. "}
        {run.trigger === "upload" && "The file itself was not kept. "}
        Everyone who may see this site can open this page.
      </Text>
      <Flex gap="2" wrap="wrap" mt="3">
        {may.operate && !may.archivedAt && run.trigger === "upload" && (
          <Button asChild size="sm" colorPalette="brand" variant={isBad ? "outline" : "solid"}>
            <Link to={`${HOME}/sites/${run.site}/upload?kind=${run.kind}`}>
              {isBad ? "Check another file" : "Upload and sync it"}
            </Link>
          </Button>
        )}
        <Clipboard.Root value={addressOfPage(run)}>
          <Clipboard.Trigger asChild>
            <Button size="sm" variant="outline">
              <Clipboard.Indicator copied="Copied">Copy link</Clipboard.Indicator>
            </Button>
          </Clipboard.Trigger>
        </Clipboard.Root>
      </Flex>
    </Box>
  );
}

function titleOf(run: RunDetail, isBad: boolean) {
  if (isBad) {
    return run.outcome === "rejected" ? "A sync would reject this file" : "The check failed";
  }
  if (run.outcome === "skipped") {
    return "The check was skipped";
  }
  return run.holds.length > 0
    ? "A sync would wait for approval"
    : "A sync would apply this without asking";
}

function addressOfPage(run: RunDetail) {
  return new URL(`plugin/oneroster/runs/${run.run_id}`, document.baseURI).href;
}
