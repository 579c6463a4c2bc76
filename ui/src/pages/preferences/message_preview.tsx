/** A topic's messages as they would be sent: subject, HTML and plain text. */

import { Badge, Box, Button, CloseButton, Dialog, Heading, Tabs, Text } from "@chakra-ui/react";
import { useState } from "react";
import { Link } from "react-router-dom";
import { useApi } from "../../lib/api";
import { Framed } from "../../lib/dialogs";
import type { MessagePreview, Topic } from "../../lib/openapi";
import { Failure, HOME, Loading } from "../../lib/ui";
import { PREVIEW, TOPIC_TEXTS } from "./texts";

/** A button that shows the messages of a topic. */
export function PreviewButton({ site, topic }: { site: string; topic: Topic }) {
  const [isOpen, setIsOpen] = useState(false);
  const { label } = TOPIC_TEXTS[topic];
  return (
    <>
      <Button
        type="button"
        size="xs"
        variant="plain"
        color="fg.info"
        textDecoration="underline"
        px="7"
        aria-label={`${PREVIEW.verb}: ${label}`}
        onClick={() => setIsOpen(true)}
      >
        {PREVIEW.verb}
      </Button>
      <Framed
        open={isOpen}
        onOpenChange={(event) => setIsOpen(event.open)}
        size="lg"
        scrollBehavior="inside"
        lazyMount
        unmountOnExit
      >
        <Dialog.Header>
          <Dialog.Title>{`${PREVIEW.verb}: ${label}`}</Dialog.Title>
        </Dialog.Header>
        <Dialog.Body>
          <Messages site={site} topic={topic} />
        </Dialog.Body>
        <Dialog.CloseTrigger asChild>
          <CloseButton size="sm" />
        </Dialog.CloseTrigger>
      </Framed>
    </>
  );
}

function Messages({ site, topic }: { site: string; topic: string }) {
  const { data, problem, reload } = useApi(`sites/${site}/notices/${topic}/preview`);
  if (problem && !data) {
    return <Failure problem={problem} retry={reload} />;
  }
  if (!data) {
    return <Loading height="20rem" />;
  }
  return data.previews.map((one) => <Message key={one.label} message={one} />);
}

function Message({
  message: { label, subject, text, html, run_id: run, is_example: isExample },
}: {
  message: MessagePreview;
}) {
  return (
    <Box as="section" aria-label={label} mb="6">
      <Heading as="h3" size="sm" mb="1">
        {label}{" "}
        {isExample && (
          <Badge colorPalette="orange" variant="subtle" borderRadius="full" px="2">
            {PREVIEW.example}
          </Badge>
        )}
      </Heading>
      <Text color="fg.muted" fontSize="sm" mb="2">
        {isExample ? PREVIEW.invented : PREVIEW.real}
        {run && (
          <>
            {" "}
            <Box asChild color="fg.info" textDecoration="underline">
              <Link to={`${HOME}/runs/${run}`}>{PREVIEW.run}</Link>
            </Box>
          </>
        )}
      </Text>
      <Text fontSize="sm" mb="2" overflowWrap="anywhere">
        {PREVIEW.subject} <Text as="strong">{subject}</Text>
      </Text>
      <Tabs.Root defaultValue="html" size="sm" lazyMount>
        <Tabs.List>
          <Tabs.Trigger value="html">{PREVIEW.html}</Tabs.Trigger>
          <Tabs.Trigger value="text">{PREVIEW.text}</Tabs.Trigger>
        </Tabs.List>
        <Tabs.Content value="html">
          {/* No script, no form and no link works in it: it is only looked at. */}
          <iframe
            title={`${label}: ${PREVIEW.html}`}
            sandbox="allow-same-origin"
            srcDoc={html}
            style={{ width: "100%", height: "16rem", border: 0, background: "white" }}
            onLoad={({ currentTarget: frame }) => {
              // As tall as the mail: a frame with its own scroll bar would cut the text.
              const mail = frame.contentDocument?.documentElement;
              if (mail) {
                frame.style.height = `${mail.scrollHeight}px`;
              }
            }}
          />
        </Tabs.Content>
        <Tabs.Content value="text">
          <Box
            as="pre"
            fontSize="xs"
            whiteSpace="pre-wrap"
            overflowWrap="anywhere"
            bg="bg.muted"
            p="3"
            borderRadius="8px"
          >
            {text}
          </Box>
        </Tabs.Content>
      </Tabs.Root>
    </Box>
  );
}
