/** What is processed, and how. */

import { Box, Flex } from "@chakra-ui/react";
import { Choices, Section, Setting, Tick, useForm } from "./fields";

const SCOPES = [
  {
    value: "users_and_courses",
    label: "Users, courses and assignments",
    meaning: "Staff accounts, the courses, and who teaches which.",
  },
  {
    value: "users",
    label: "Users only",
    meaning: "Staff accounts. Courses and assignments stay as they are.",
  },
];

const PERMISSIONS = [
  {
    value: "units_and_lessons",
    label: "Units and lessons",
    meaning: "Teachers plan their courses themselves.",
  },
  {
    value: "lessons_only",
    label: "Lessons only",
    meaning: "Units are managed centrally; teachers fill them with lessons.",
  },
];

const PROFILES = [
  {
    value: "tolerant",
    label: "Tolerant",
    meaning:
      "What can be read in one way only is repaired and noted, such as TRUE for true. Other bad rows are left out; what they name stays as it is.",
  },
  {
    value: "strict",
    label: "Strict",
    meaning:
      "Nothing is repaired. One violation of the standard, and the whole package is rejected.",
  },
];

const ROLES = [
  { role: "aide", label: "Aides too" },
  { role: "administrator", label: "Administrators too" },
];

/** The group of settings about what a sync does. */
export function Processing() {
  return (
    <Section
      title="What is processed"
      hint="What a sync may touch. Students and guardians are never read, whatever the package holds."
    >
      <Choices
        path="scope"
        label="Process"
        choices={SCOPES}
        help="For scheduled syncs and uploads of a whole package."
      />
      <Choices
        path="teacher_permission"
        label="Teachers may edit"
        choices={PERMISSIONS}
        help="Counts at once for all courses made by OneRoster, old and new. Courses made by hand keep their own permissions."
      />
      <Roles />
      <Adoption />
      <Choices
        path="profile"
        label="How files are read"
        choices={PROFILES}
        help="Strict helps to get an export right; tolerant keeps syncs going from day to day."
      />
    </Section>
  );
}

function Roles() {
  const { draft, change, isReadOnly } = useForm();
  const chosen = draft.assignment_roles;
  const set = (role: string, isOn: boolean) => {
    const roles = isOn ? [...chosen, role] : chosen.filter((one) => one !== role);
    change(
      "assignment_roles",
      ["teacher", "aide", "administrator"].filter((one) => roles.includes(one)),
    );
  };
  return (
    <Setting
      path="assignment_roles"
      label="Who is assigned to courses"
      group
      help="By the role of their enrollment in a class of the course. Teachers always are."
    >
      {() => (
        <Flex columnGap="6" rowGap="2" wrap="wrap">
          <Tick checked disabled label="Teachers" />
          {ROLES.map(({ role, label }) => (
            <Tick
              key={role}
              checked={chosen.includes(role)}
              disabled={isReadOnly}
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
  const { draft, change, isReadOnly } = useForm();
  return (
    <Setting path="adopt_accounts" label="Accounts made by hand" group>
      {() => (
        <Box>
          <Tick
            checked={draft.adopt_accounts}
            disabled={isReadOnly}
            label="Let the sync manage them too"
            help="An account that somebody made by hand is found by its e-mail address and linked in any case, never doubled. Ticked, its names and role follow the SIS from then on, and it is deactivated when it leaves the files."
            onChange={(isOn) => change("adopt_accounts", isOn)}
          />
        </Box>
      )}
    </Setting>
  );
}
