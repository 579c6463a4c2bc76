/** The buttons under a run that failed or was rejected, and what support needs to know of it. */

import { Box, Button, Flex, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link, useNavigate } from "react-router-dom";
import { BAD } from "../../lib/colors";
import { asProblem, get, post } from "../../lib/api";
import type { RunDetail } from "../../lib/openapi";
import { sayDone } from "../../lib/toasts";
import { HOME, type May } from "../../lib/ui";
import { stepsOf } from "./steps";

/** Show what one can do about a run; nothing where it ended otherwise. */
export function NextSteps({ run, may }: { run: RunDetail; may: May }) {
  const [isBusy, setIsBusy] = useState(false);
  const [answer, setAnswer] = useState<{ text: string; isBad: boolean } | null>(null);
  const navigate = useNavigate();
  const steps = stepsOf(run, may);
  if (steps.length === 0) {
    return null;
  }
  const doing = async (act: () => Promise<void>) => {
    setIsBusy(true);
    setAnswer(null);
    try {
      await act();
    } catch (caught) {
      setAnswer({ text: asProblem(caught).detail, isBad: true });
    } finally {
      setIsBusy(false);
    }
  };
  const retry = () =>
    doing(async () => {
      const made = await post(`sites/${run.site}/runs`);
      sayDone("Sync requested");
      const query = new URLSearchParams({ dag_id: made.dag_id, dag_run_id: made.dag_run_id });
      navigate(`${HOME}/runs/${made.run_id}?${query}`);
    });
  const copy = () =>
    doing(async () => {
      const { text } = await get(`runs/${run.run_id}/diagnostics`);
      await navigator.clipboard.writeText(text);
      setAnswer({
        text: "Copied. It contains numbers and codes, and no names of people.",
        isBad: false,
      });
    });
  return (
    <Box mt="3">
      <Flex gap="2" wrap="wrap">
        {steps.map(({ label, to }, index) =>
          to === null ? (
            <Button
              key={label}
              size="sm"
              colorPalette="brand"
              variant={index === 0 ? "solid" : "outline"}
              loading={isBusy}
              onClick={retry}
            >
              {label}
            </Button>
          ) : (
            <Button
              key={label}
              asChild
              size="sm"
              colorPalette={index === 0 ? "brand" : undefined}
              variant={index === 0 ? "solid" : "outline"}
            >
              <Link to={to}>{label}</Link>
            </Button>
          ),
        )}
        <Button size="sm" variant="ghost" disabled={isBusy} onClick={copy}>
          Copy diagnostics for support
        </Button>
      </Flex>
      <Text
        role={answer?.isBad ? "alert" : "status"}
        fontSize="sm"
        mt={answer ? "2" : "0"}
        color={answer?.isBad ? BAD : "fg.muted"}
      >
        {answer?.text}
      </Text>
    </Box>
  );
}
