/** What a sync may change, and for whom. */

import { Flex } from "@chakra-ui/react";
import { Choices, Section, Setting, Tick, useForm } from "./fields";
import type { SectionOf } from "./sections";
import { TEXTS, TICKS } from "./texts";

const ROLES = [
  { role: "aide", label: "Aides too" },
  { role: "administrator", label: "Administrators too" },
];

/** The section about what a sync does. */
export function Processing({ section }: { section: SectionOf }) {
  return (
    <Section section={section}>
      <Choices path="scope" />
      <Choices path="teacher_permission" />
      <Roles />
      <Adoption />
    </Section>
  );
}

function Roles() {
  const { draft, change } = useForm();
  const chosen = draft.assignment_roles;
  const set = (role: string, isOn: boolean) => {
    const roles = isOn ? [...chosen, role] : chosen.filter((one) => one !== role);
    change(
      "assignment_roles",
      ["teacher", "aide", "administrator"].filter((one) => roles.includes(one)),
    );
  };
  return (
    <Setting path="assignment_roles" group>
      {() => (
        <Flex columnGap="6" rowGap="2" wrap="wrap">
          <Tick checked disabled label="Teachers" />
          {ROLES.map(({ role, label }) => (
            <Tick
              key={role}
              checked={chosen.includes(role)}
              label={label}
              onChange={(isOn) => set(role, isOn)}
            />
          ))}
        </Flex>
      )}
    </Setting>
  );
}

function Adoption() {
  const { draft, change } = useForm();
  return (
    <Setting path="adopt_accounts" group help={null}>
      {() => (
        <Tick
          checked={draft.adopt_accounts}
          label={TICKS.adopt_accounts}
          help={TEXTS.adopt_accounts.help}
          onChange={(isOn) => change("adopt_accounts", isOn)}
        />
      )}
    </Setting>
  );
}
