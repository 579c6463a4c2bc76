/** What is processed, and how. */

import { h } from "../../lib/ui.js";
import { Choices, Section, Setting, Tick, useForm } from "./parts.js";

const { Box, Flex } = globalThis.ChakraUI;

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
    meaning: "What can be read in one way only is repaired and noted, such as TRUE for true. Other bad rows are left out; what they name stays as it is.",
  },
  {
    value: "strict",
    label: "Strict",
    meaning: "Nothing is repaired. One violation of the standard, and the whole package is rejected.",
  },
];
const ROLES = [
  { role: "aide", label: "Aides too" },
  { role: "administrator", label: "Administrators too" },
];

/** The group of settings about what a sync does. */
export function Processing() {
  return h(
    Section,
    {
      title: "What is processed",
      hint: "What a sync may touch. Students and guardians are never read, whatever the package holds.",
    },
    h(Choices, {
      path: "scope",
      label: "Process",
      choices: SCOPES,
      help: "For scheduled syncs and uploads of a whole package.",
    }),
    h(Choices, {
      path: "teacher_permission",
      label: "Teachers may edit",
      choices: PERMISSIONS,
      help: "Counts at once for all courses made by OneRoster, old and new. Courses made by hand keep their own permissions.",
    }),
    h(Roles),
    h(Adoption),
    h(Choices, {
      path: "profile",
      label: "How files are read",
      choices: PROFILES,
      help: "Strict helps to get an export right; tolerant keeps syncs going from day to day.",
    }),
  );
}

function Roles() {
  const { draft, change, isReadOnly } = useForm();
  const chosen = draft.assignment_roles;
  const set = (role, isOn) => {
    const roles = isOn ? [...chosen, role] : chosen.filter((one) => one !== role);
    change("assignment_roles", ["teacher", "aide", "administrator"].filter((one) => roles.includes(one)));
  };
  return h(
    Setting,
    {
      path: "assignment_roles",
      label: "Who is assigned to courses",
      group: true,
      help: "By the role of their enrollment in a class of the course. Teachers always are.",
    },
    () =>
      h(
        Flex,
        { columnGap: "6", rowGap: "2", wrap: "wrap" },
        h(Tick, { checked: true, disabled: true, label: "Teachers" }),
        ROLES.map(({ role, label }) =>
          h(Tick, {
            key: role,
            checked: chosen.includes(role),
            disabled: isReadOnly,
            label,
            onChange: (isOn) => set(role, isOn),
          }),
        ),
      ),
  );
}

function Adoption() {
  const { draft, change, isReadOnly } = useForm();
  return h(
    Setting,
    { path: "adopt_accounts", label: "Accounts made by hand", group: true },
    () =>
      h(
        Box,
        null,
        h(Tick, {
          checked: draft.adopt_accounts,
          disabled: isReadOnly,
          label: "Let the sync manage them too",
          help: "An account that somebody made by hand is found by its e-mail address and linked in any case, never doubled. Ticked, its names and role follow the SIS from then on, and it is deactivated when it leaves the files.",
          onChange: (isOn) => change("adopt_accounts", isOn),
        }),
      ),
  );
}
