/** What a target shows of its upload, from the choice of a file to the run that reads it. */

import {
  Box,
  Button,
  type ButtonProps,
  Flex,
  Progress,
  Text,
  VisuallyHidden,
} from "@chakra-ui/react";
import { type ReactNode, useEffect, useRef } from "react";
import { BAD, WARN } from "../../lib/colors";
import type { Problem } from "../../lib/api";
import { size } from "../../lib/words";
import { nameHint, rightKind, type UploadKind } from "./kinds";
import type { Dropped, Uploading } from "./use_upload";
import { SHARED } from "../../words/shared";

const STEP = 25;

const TITLES: Record<number, string> = {
  0: "Not uploaded",
  408: "The upload was cut off",
  413: SHARED.fileTooLarge,
  415: "This file cannot be read here",
  422: "The file cannot be used",
  507: "The storage is full",
};

/** What each stage of an upload shows. */
export interface View {
  kind: UploadKind;
  uploading: Uploading & { state: { file: Dropped } };
}

/** A file that is about to be sent. */
export function Chosen({ kind, uploading: { state, send, reset } }: View) {
  const hint = nameHint(kind.kind, state.file);
  return (
    <Body>
      <FileLine file={state.file} />
      {state.stage === "cancelled" && (
        <Text role="status" fontSize="sm">
          Cancelled; nothing of it was kept.
        </Text>
      )}
      {hint && (
        <Text fontSize="sm" color={WARN}>
          {hint}
        </Text>
      )}
      <Text fontSize="sm" color="fg.muted">
        Check only shows what a sync would change, and changes nothing.
      </Text>
      <Buttons>
        <Act onClick={() => send(kind.kind, state.file)}>Upload and sync</Act>
        <Back onClick={() => send(kind.kind, state.file, true)}>Check only</Back>
        <Back onClick={reset}>Choose another file</Back>
      </Buttons>
    </Body>
  );
}

/** A file on its way. */
export function Sending({ uploading: { state, cancel } }: View) {
  const { file, sent } = state;
  const whole = file.size || 1;
  const percent = Math.min(100, Math.floor((100 * sent) / whole));
  const isThere = sent >= file.size;
  return (
    <Body>
      <FileLine file={file} />
      <Progress.Root
        value={isThere ? null : percent}
        size="sm"
        colorPalette="brand"
        aria-label={`Upload of ${file.name}`}
      >
        <Progress.Track>
          <Progress.Range />
        </Progress.Track>
      </Progress.Root>
      <Text fontSize="sm" color="fg.muted" fontVariantNumeric="tabular-nums">
        {isThere
          ? "Uploaded, checking…"
          : `${size(Math.min(sent, file.size))} of ${size(file.size)} · ${percent} %`}
      </Text>
      <VisuallyHidden role="status" aria-live="polite">
        {isThere ? "Uploaded, checking…" : `${Math.floor(percent / STEP) * STEP} percent uploaded`}
      </VisuallyHidden>
      <Buttons>
        <Back onClick={cancel}>Cancel</Back>
      </Buttons>
    </Body>
  );
}

/** A file that was not taken, and what to do about it. */
export function Refused({ kind, uploading: { state, kinds, send, reset } }: View) {
  const { problem, file } = state;
  const right = problem ? rightKind(problem, kinds) : undefined;
  const status = problem?.status ?? null;
  const canRetry = status === 0 || status === 408 || (status !== null && status >= 500);
  return (
    <Body>
      {file && <FileLine file={file} />}
      <Box role="alert" fontSize="sm">
        <Text color={BAD} fontWeight="bold">
          {right
            ? `This is ${right.kind === "package" ? "a zip" : right.file}, not ${kind.file}`
            : problem && titleOf(problem)}
        </Text>
        <Text overflowWrap="anywhere">{right ? "Nothing was uploaded." : problem?.detail}</Text>
      </Box>
      <Buttons>
        {right && (
          <Act onClick={() => send(right.kind, file, state.isCheck)}>
            {`${state.isCheck ? "Check" : "Upload"} it as ${right.file}`}
          </Act>
        )}
        {!right && canRetry && (
          <Act onClick={() => send(kind.kind, file, state.isCheck)}>Try again</Act>
        )}
        <Back onClick={reset}>Choose another file</Back>
      </Buttons>
    </Body>
  );
}

/** A file that was taken in; its run is on its way, and the page goes there. */
export function Taken({ uploading: { state } }: View) {
  return (
    <Body>
      <FileLine file={state.file} />
      <Text role="status" color="fg.success" fontWeight="bold" fontSize="sm">
        {state.isCheck ? "Uploaded; its check begins." : "Uploaded; its sync begins."}
      </Text>
    </Body>
  );
}

function Body({ children }: { children: ReactNode }) {
  return (
    <Flex direction="column" gap="2" flex="1" minWidth={0}>
      {children}
    </Flex>
  );
}

/** What can be done in a stage; the first of it gets the focus when the stage appears. */
function Buttons({ children }: { children: ReactNode }) {
  const own = useRef<HTMLDivElement>(null);
  useEffect(() => {
    own.current?.querySelector<HTMLElement>("a, button")?.focus();
  }, []);
  return (
    <Flex ref={own} gap="2" wrap="wrap" mt="auto" pt="2">
      {children}
    </Flex>
  );
}

function Act(button: ButtonProps) {
  return <Button size="sm" colorPalette="brand" {...button} />;
}

function Back(button: ButtonProps) {
  return <Button size="sm" variant="outline" {...button} />;
}

function FileLine({ file }: { file: Dropped }) {
  return (
    <Text fontWeight="bold" overflowWrap="anywhere">
      {file.name}
      {!file.isFolder && (
        <Text
          as="span"
          color="fg.muted"
          fontWeight="normal"
          fontSize="sm"
        >{` · ${size(file.size)}`}</Text>
      )}
    </Text>
  );
}

function titleOf({ status, title }: Problem) {
  return TITLES[status ?? -1] ?? title;
}
