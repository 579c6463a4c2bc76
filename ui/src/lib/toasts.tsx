/** Short messages that something was done, as Airflow shows its own: at the bottom, for some seconds. */

import { createToaster, Portal, Stack, Toast, Toaster } from "@chakra-ui/react";

/** Above the bars that stay at the bottom: what is said must not lie over the buttons there. */
const OFFSETS = { left: "1rem", right: "1rem", top: "1rem", bottom: "6rem" };

const TOASTER = createToaster({
  placement: "bottom-end",
  pauseOnPageIdle: true,
  offsets: OFFSETS,
});

/** Say for some seconds that something was done. */
export function sayDone(title: string, description?: string) {
  TOASTER.create({ title, description, type: "success" });
}

/** Where the messages are shown. */
export function Toasts() {
  return (
    <Portal>
      <Toaster toaster={TOASTER} insetInline={{ mdDown: "4" }}>
        {({ title, description }) => (
          <Toast.Root
            width={{ md: "sm" }}
            bg={{ base: "green.800", _dark: "green.800" }}
            color="white"
          >
            <Toast.Indicator />
            <Stack gap="1" flex="1" maxWidth="100%">
              <Toast.Title>{title}</Toast.Title>
              {description && <Toast.Description>{description}</Toast.Description>}
            </Stack>
            <Toast.CloseTrigger />
          </Toast.Root>
        )}
      </Toaster>
    </Portal>
  );
}
