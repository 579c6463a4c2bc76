"""Compare two runs of a site: fixed findings, new findings, and differences between the plans.

A finding is the same in both runs if its code, file, column and record are the same. Row numbers
are not compared, because each row that is added above changes them. For rows without a sourcedId,
the numbers of findings are compared: three blank ids before and four now are three that are still
there and one that is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from oneroster_sync import runs
from oneroster_sync.errors import GoneError, NotFoundError, UserError
from oneroster_sync.findings.codes import explained
from oneroster_sync.runs import make_runs, run_details, select_runs
from oneroster_sync.runs.summary import format_outcome
from oneroster_sync.stages.diff.plan import changes_of, read_changes

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy.engine import Connection

    from oneroster_sync.runs import Run

_WORDS = {"fixed": "fixed", "new": "new", "still": "still there"}

LISTED = 200
"""Maximum number of listed findings; all of them are counted."""

# One pass over the findings gives both the sums and the records. The groups begin with the column
# that has the most values, because the rows are sorted by it: the other order takes twice as long.
_COMPARED = """
with sides as (
    select case run_id when cast(:earlier as uuid) then 'earlier' else 'later' end as side,
           severity, code, file, "column", sourced_id, row, greatest(rows, 1) as n
    from run_findings
    where run_id in (cast(:earlier as uuid), cast(:later as uuid)) and code not like 'guard.%'),
numbers as (
    select severity, code, file, "column", sourced_id,
           min(row) filter (where side = 'later') as row,
           coalesce(sum(n) filter (where side = 'earlier'), 0)::bigint as earlier,
           coalesce(sum(n) filter (where side = 'later'), 0)::bigint as later
    from sides group by sourced_id, code, file, "column", severity),
differences as materialized (
    select severity, code, file, "column", sourced_id, row,
           greatest(earlier - later, 0) as fixed, greatest(later - earlier, 0) as new,
           least(earlier, later) as still
    from numbers)
(select true as is_place, severity, code, file, "column", null as sourced_id, null as row,
        sum(fixed)::bigint as fixed, sum(new)::bigint as new, sum(still)::bigint as still
 from differences group by severity, code, file, "column"
 order by severity, sum(new) desc, sum(fixed) desc, code, file, "column")
union all
(select false, severity, code, file, "column", sourced_id, row, fixed, new, still
 from differences where fixed > 0 or new > 0
 order by severity, new = 0, code, file, "column", sourced_id limit :limit)
"""
_OF_PLACE = ("severity", "code", "file", "column", "fixed", "new", "still")
_OF_RECORD = ("severity", "code", "file", "column", "sourced_id", "row", "fixed", "new")
# Rejected runs are included, because they have findings. Runs that read no package are not.
_EARLIER = """
where site = :site and kind = :kind and run_id <> cast(:run_id as uuid)
  and (started_at, run_id) < (:started_at, cast(:run_id as uuid))
  and undoes is null and removals_of is null and sha256 is not null and sha256 <> ''
  and outcome is not null and outcome not in ('failed', 'skipped')
order by started_at desc, run_id desc limit 1
"""


class NothingToCompareError(NotFoundError):
    """No earlier run of the site read a package of the same kind."""


class ComparisonGoneError(GoneError):
    """The findings of one of the runs were deleted when they expired."""


class ComparisonError(UserError):
    """The two runs can't be compared; the message says why."""


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """Numbers of changes to one kind of record: in both plans, or in only one."""

    both: int
    only_earlier: int
    only_later: int


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Differences between a run and an earlier one.

    Attributes:
        earlier: The earlier run.
        later: The later run.
        places: Code, file and column of findings, each with the numbers of rows that are `fixed`,
            `new` and `still` there.
        records: The first findings that are fixed or new, one for each record.
        plan: Kind of record → comparison of the plans; None if one of the plans was deleted.
    """

    earlier: Run
    later: Run
    places: list[dict[str, Any]]
    records: list[dict[str, Any]]
    plan: dict[str, PlanComparison] | None

    def count(self, severity: str | None = None) -> dict[str, int]:
        """Return the numbers of rows that are fixed, new and still there, by severity or in all."""
        wanted = [one for one in self.places if severity in {None, one["severity"]}]
        return {word: sum(one[word] for one in wanted) for word in ("fixed", "new", "still")}

    def to_lines(self) -> list[str]:
        """Format the comparison for people: first the sums, then a line for each place and kind."""
        lines = [f"{run.named()}: {format_outcome(run)}" for run in (self.earlier, self.later)]
        lines.append(
            "Rows with findings: "
            + ", ".join(f"{number:,} {_WORDS[word]}" for word, number in self.count().items())
            + "."
        )
        for one in self.places:
            place = ", ".join(filter(None, (one["file"], one["column"])))
            numbers = ", ".join(f"{one[word]:,} {_WORDS[word]}" for word in _WORDS if one[word])
            lines.append(f"  {one['severity']} {one['code']} ({place or 'the package'}): {numbers}")
        for kind, plan in (self.plan or {}).items():
            lines.append(
                f"Planned changes of {kind}s: {plan.both:,} in both, {plan.only_earlier:,} only in "
                f"the earlier run, {plan.only_later:,} only in this one."
            )
        if self.plan is None:
            lines.append("The plan of one of the runs was deleted when it expired.")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as a JSON object, with ids and numbers but without names."""
        return {
            "earlier": self.earlier.summary(),
            "later": self.later.summary(),
            "findings": self.count(),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "places": self.places,
            "records": self.records,
            "plan": None
            if self.plan is None
            else {
                kind: {
                    "both": one.both,
                    "only_earlier": one.only_earlier,
                    "only_later": one.only_later,
                }
                for kind, one in self.plan.items()
            },
        }


def find_earlier(connection: Connection, run: Run) -> Run | None:
    """Return the newest run before this one that read a package of the same kind, or None.

    Previews are included, because people check an export repeatedly while they fix it.
    """
    if not run.of_package:
        return None
    bound = {
        "site": run.site,
        "kind": run.kind,
        "run_id": run.run_id,
        "started_at": run.started_at,
    }
    found = make_runs(connection.execute(sa.text(f"{select_runs()} {_EARLIER}"), bound).mappings())
    return found[0] if found else None


def compare_runs(
    connection: Connection, later: Run, earlier_id: str | None = None
) -> RunComparison:
    """Compare a run with an earlier one.

    Args:
        connection: To the roster database.
        later: The later run.
        earlier_id: The run to compare it with; by default the result of `find_earlier`.

    Raises:
        UnknownRunError: The site has no run with that id.
        NothingToCompareError: No earlier run read such a package.
        ComparisonError: Both are the same run, or one has not ended.
        ComparisonGoneError: The findings of one of them were deleted.
    """
    earlier = find_earlier(connection, later) if earlier_id is None else None
    if earlier_id is not None:
        earlier = runs.get(connection, earlier_id)
    if earlier is None:
        raise NothingToCompareError(f"no run before run {later.run_id} read such a package")
    if earlier.site != later.site:
        raise runs.UnknownRunError(f"there is no run {earlier.run_id} of site {later.site}")
    if earlier.run_id == later.run_id:
        raise ComparisonError("a run can't be compared with itself; choose another one")
    for run in (earlier, later):
        if run.outcome is None:
            raise ComparisonError(f"run {run.run_id} has not ended; wait until it has")
        # The counts stay in the run's record when the rows expire: counts without rows mean deleted
        # rows.
        if any((run.findings or {}).values()) and not run_details.has_rows(
            connection, run.run_id, "findings"
        ):
            raise ComparisonGoneError(
                f"the findings of run {run.run_id} were deleted when they expired"
            )
    bound = {"earlier": earlier.run_id, "later": later.run_id, "limit": LISTED}
    rows = list(connection.execute(sa.text(_COMPARED), bound).mappings())
    return RunComparison(
        earlier=earlier,
        later=later,
        places=[explained({n: row[n] for n in _OF_PLACE}) for row in rows if row["is_place"]],
        records=[explained({n: row[n] for n in _OF_RECORD}) for row in rows if not row["is_place"]],
        plan=_compare_plans(earlier, later),
    )


def _compare_plans(earlier: Run, later: Run) -> dict[str, PlanComparison] | None:
    """Compare the changes in both plans; a run without a plan counts as no changes.

    Return None if the artifacts of a plan were deleted.
    """
    keys = []
    for run in (earlier, later):
        try:
            keys.append(_keys_of_plan(run))
        except FileNotFoundError:
            return None
    return {
        kind: PlanComparison(
            both=len(ours & theirs), only_earlier=len(theirs - ours), only_later=len(ours - theirs)
        )
        for kind, theirs, ours in (
            (kind, keys[0].get(kind, set()), keys[1].get(kind, set()))
            for kind in ("user", "course", "course assignment")
        )
    }


def _keys_of_plan(run: Run) -> dict[str, set[tuple[str, ...]]]:
    """Return kind → keys of the changes in a plan: the action and the sourcedIds."""
    if run.plan_hash is None:
        return {}
    return {kind: _keys(table) for kind, table in changes_of(read_changes(run))}


def _keys(table: pa.Table) -> set[tuple[str, ...]]:
    names = ("action", "sourced_id", "user_sourced_id", "course_sourced_id")
    columns = [table[name].to_pylist() for name in names if name in table.column_names]
    return set(zip(*columns, strict=True))
