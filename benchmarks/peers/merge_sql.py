"""The script of a DBA: stage rows unchanged, check them in SQL, and merge them into the tables.

The script writes users, courses and course assignments of the site `default`, and nothing else: no
audit, no findings, no links. A refused row protects nothing: its record is deactivated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("orgs", "users", "courses", "classes", "enrollments")
STUDENTS = "('student', 'parent', 'guardian', 'relative')"
# `is distinct from` finds changes from and to null, which `<>` would not. The tables are analyzed
# between the merges, because the planner knows nothing of what the first two have just written.
MERGES = r"""
merge into users t using (
    select u."sourcedId" as sourced_id, "givenName" as given_name, "familyName" as family_name,
           email, lower(email) as login, username, role, "orgSourcedIds" as org_sourced_ids,
           case "enabledUser" when 'false' then 'inactive' else 'active' end as status
    from (
        select *, count(*) over (partition by "sourcedId") as same_ids,
               count(*) over (partition by lower(email)) as same_emails
        from s_users where role in ('administrator', 'aide', 'proctor', 'teacher')) u
    where same_ids = 1 and "enabledUser" in ('true', 'false')
      and length("givenName") between 1 and 255 and length("familyName") between 1 and 255
      and (email is null or same_emails = 1
           and email ~ '^[^@\s,;<>"]+@[^@\s,;<>"]+\.[^@\s,;<>".]+$')
      and exists (select from s_orgs o where o."sourcedId" = "orgSourcedIds")) s
on t.site = 'default' and t.sourced_id = s.sourced_id
when matched and t.managed and
    (t.given_name, t.family_name, t.email, t.login, t.username, t.role, t.org_sourced_ids, t.status)
    is distinct from
    (s.given_name, s.family_name, s.email, s.login, s.username, s.role, s.org_sourced_ids, s.status)
then update set given_name = s.given_name, family_name = s.family_name, email = s.email,
    login = s.login, username = s.username, role = s.role, org_sourced_ids = s.org_sourced_ids,
    status = s.status, updated_at = now()
when not matched then insert
    (site, sourced_id, given_name, family_name, email, login, username, role, org_sourced_ids,
     status, managed)
    values ('default', s.sourced_id, s.given_name, s.family_name, s.email, s.login, s.username,
            s.role, s.org_sourced_ids, s.status, true)
when not matched by source and t.site = 'default' and t.managed and t.status = 'active'
then update set status = 'inactive', updated_at = now();

merge into courses t using (
    select "sourcedId" as sourced_id, title, "courseCode" as course_code, grades, subjects,
           "orgSourcedId" as org_sourced_id, "schoolYearSourcedId" as school_year_sourced_id
    from s_courses c
    where title <> '' and exists (select from s_orgs o where o."sourcedId" = c."orgSourcedId")) s
on t.site = 'default' and t.sourced_id = s.sourced_id
when matched and t.managed and
    (t.title, t.course_code, t.grades, t.subjects, t.org_sourced_id, t.school_year_sourced_id,
     t.status)
    is distinct from
    (s.title, s.course_code, s.grades, s.subjects, s.org_sourced_id, s.school_year_sourced_id,
     'active')
then update set title = s.title, course_code = s.course_code, grades = s.grades,
    subjects = s.subjects, org_sourced_id = s.org_sourced_id,
    school_year_sourced_id = s.school_year_sourced_id, status = 'active', updated_at = now()
when not matched then insert
    (site, sourced_id, title, course_code, grades, subjects, org_sourced_id,
     school_year_sourced_id, status, managed)
    values ('default', s.sourced_id, s.title, s.course_code, s.grades, s.subjects,
            s.org_sourced_id, s.school_year_sourced_id, 'active', true)
when not matched by source and t.site = 'default' and t.managed and t.status = 'active'
then update set status = 'removed', updated_at = now();

analyze users;
analyze courses;
merge into course_assignments t using (
    select distinct u.id as user_id, c.id as course_id
    from s_enrollments e
    join s_classes k on k."sourcedId" = e."classSourcedId"
    join users u on u.site = 'default' and u.sourced_id = e."userSourcedId"
    join courses c on c.site = 'default' and c.sourced_id = k."courseSourcedId"
    where e.role = 'teacher' and c.status = 'active') s
on t.user_id = s.user_id and t.course_id = s.course_id
when matched and t.status <> 'active' then update set status = 'active', updated_at = now()
when not matched then insert (site, user_id, course_id, status)
    values ('default', s.user_id, s.course_id, 'active')
when not matched by source and t.site = 'default' and t.managed and t.status = 'active'
then update set status = 'removed', updated_at = now();
"""


def script_of(folder: Path) -> str:
    """Return a script for psql that stages a package by COPY, without students, and merges it."""
    parts = [r"\set ON_ERROR_STOP on", "begin;"]
    for name in FILES:
        path = folder / f"{name}.csv"
        with path.open(encoding="utf-8") as file:
            columns = file.readline().strip().split(",")
        quoted = ", ".join(f'"{column}" text' for column in columns)
        kept = f" where role not in {STUDENTS}" if "role" in columns else ""
        parts += [
            f"create temporary table s_{name} ({quoted}) on commit drop;",
            rf"\copy s_{name} from '{path}' with (format csv, header){kept}",
            f"analyze s_{name};",
        ]
    return "\n".join([*parts, MERGES, "commit;", ""])
