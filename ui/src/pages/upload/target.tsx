/** One place to bring a file to: by choosing or by dropping. */

import { Box, Button, Code, Flex, type FlexProps, Heading, Text } from "@chakra-ui/react";
import { type ComponentType, useEffect, useId, useRef, useState } from "react";
import { size } from "../../lib/words";
import type { UploadKind } from "./kinds";
import { Chosen, Refused, Sending, Taken, type View } from "./stages";
import type { Dropped, Uploading, UploadState } from "./use_upload";

/**
 * Show what a kind of file touches, and take one in.
 *
 * @param props.kind Of `KINDS`.
 * @param props.limit Bytes that it may have.
 * @param props.isAllowed Whether the viewer may upload.
 * @param props.uploading As `useUpload` gives it.
 */
export function Target({
  kind,
  limit,
  isAllowed,
  uploading,
}: {
  kind: UploadKind;
  limit: number | null;
  isAllowed: boolean;
  uploading: Uploading;
}) {
  const { state } = uploading;
  const isMine = state.kind === kind.kind;
  const isLocked = !isAllowed || state.stage === "sending" || state.stage === "done";
  const id = useId();
  return (
    <Flex
      as="section"
      aria-labelledby={id}
      direction="column"
      borderWidth="1px"
      borderColor="border.emphasized"
      borderRadius="8px"
      p="4"
      minWidth={0}
    >
      <Flex gap="2" align="baseline" justify="space-between" mb="1">
        <Heading as="h2" size="md" id={id}>
          {kind.title}
        </Heading>
        <Code size="sm" variant="surface">
          {kind.file}
        </Code>
      </Flex>
      <Box fontSize="sm" mb="4" minHeight={{ lg: "4rem" }}>
        <Text>{kind.touches}</Text>
        <Text color="fg.muted">{kind.leaves}</Text>
      </Box>
      {isMine && state.stage !== "idle" ? (
        <Mine kind={kind} uploading={uploading} />
      ) : (
        <DropZone
          kind={kind}
          limit={limit}
          isLocked={isLocked}
          uploading={uploading}
          describedBy={id}
        />
      )}
    </Flex>
  );
}

const VIEWS: Partial<Record<UploadState["stage"], ComponentType<View>>> = {
  chosen: Chosen,
  cancelled: Chosen,
  sending: Sending,
  refused: Refused,
  done: Taken,
};

function Mine({ kind, uploading }: { kind: UploadKind; uploading: Uploading }) {
  const { state } = uploading;
  const View = VIEWS[state.stage];
  return (
    <Frame>
      {View && state.file && (
        <View kind={kind} uploading={{ ...uploading, state: { ...state, file: state.file } }} />
      )}
    </Frame>
  );
}

function DropZone({
  kind,
  limit,
  isLocked,
  uploading,
  describedBy,
}: {
  kind: UploadKind;
  limit: number | null;
  isLocked: boolean;
  uploading: Uploading;
  describedBy: string;
}) {
  const input = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [isOver, setIsOver] = useState(false);
  const isBack = uploading.state.last === kind.kind;
  useEffect(() => {
    if (isBack) {
      button.current?.focus();
    }
  }, [isBack]);
  const depth = useRef(0);
  const take = (files: Dropped[]) => files.length && uploading.choose(kind.kind, files);
  const enter = (by: number) => {
    depth.current += by;
    setIsOver(depth.current > 0);
  };
  return (
    <Frame
      borderStyle="dashed"
      borderColor={isOver ? "brand.solid" : "border.emphasized"}
      bg={isOver ? "brand.subtle" : "transparent"}
      opacity={isLocked ? 0.6 : 1}
      alignItems="center"
      justifyContent="center"
      textAlign="center"
      onDragEnter={() => !isLocked && enter(1)}
      onDragLeave={() => !isLocked && enter(-1)}
      onDragOver={(event) => {
        event.preventDefault();
        event.dataTransfer.dropEffect = isLocked ? "none" : "copy";
      }}
      onDrop={(event) => {
        event.preventDefault();
        depth.current = 0;
        setIsOver(false);
        if (!isLocked) {
          take(dropped(event.dataTransfer));
        }
      }}
    >
      <Text color={isOver ? "fg" : "fg.muted"} fontWeight={isOver ? "bold" : "normal"}>
        {isOver ? `Drop it to upload it as ${kind.file}` : `Drop ${kind.file} here, or`}
      </Text>
      <Button
        ref={button}
        variant="outline"
        size="sm"
        visibility={isOver ? "hidden" : "visible"}
        disabled={isLocked}
        aria-describedby={describedBy}
        onClick={() => input.current?.click()}
      >{`Choose ${kind.file}`}</Button>
      <Text color="fg.muted" fontSize="xs" minHeight="1.5em">
        {limit ? `At most ${size(limit)}` : ""}
      </Text>
      <input
        ref={input}
        type="file"
        hidden
        accept={kind.accept}
        aria-label={kind.file}
        disabled={isLocked}
        onChange={(event) => {
          take([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </Frame>
  );
}

/** The same room for every stage, so that nothing jumps. */
function Frame(props: FlexProps) {
  return (
    <Flex
      direction="column"
      gap="2"
      borderWidth="2px"
      borderColor="border.emphasized"
      borderRadius="8px"
      p="4"
      minHeight="13rem"
      flex="1"
      minWidth={0}
      {...props}
    />
  );
}

/** Return what was dropped; a folder is marked, because it looks like an empty file. */
function dropped(transfer: DataTransfer): Dropped[] {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (files.length === 1 && entries[0]?.isDirectory) {
    return [Object.assign(new File([], files[0].name), { isFolder: true })];
  }
  return files;
}
