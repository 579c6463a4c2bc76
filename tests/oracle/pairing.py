"""Take the same steps on a real site, by the public Python API, and on its model; compare them."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

import oneroster_sync as api
from oracle.sis import PUPIL
from oracle.site import ModelSite
from oracle.source import Arrived
from oracle.state import LINKS
from oracle.undo import Part

if TYPE_CHECKING:
    from oracle.runs import Run
    from oracle.sis import Pack

_SITES = itertools.count(1)
START = dt.datetime(2026, 11, 27, 2, tzinfo=dt.UTC)
HOURS = dt.timedelta(hours=1)
_REMEMBERED = {
    "orgs": "name, type, parent_sourced_id as parent",
    "roles": 'user_sourced_id as "user", role_type as type, role, org_sourced_id as org',
    "classes": "course_sourced_id as course, ends_on as ends",
    "enrollments": 'user_sourced_id as "user", class_sourced_id as class, role, '
    "course_sourced_id as course",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step on a site.

    `does` is sync, source, preview, approve, discard, undo, removals, prefer or account; `ref`
    is the number of the run, `of` that of an earlier one; `packs` arrive at the source to sync.
    `details` holds the preferences to change, or the values of the account.
    """

    does: str
    at: dt.datetime
    ref: int = 0
    of: int = 0
    pack: Pack | None = None
    packs: tuple[Arrived, ...] = ()
    scope: str | None = None
    part: Part = field(default_factory=Part)
    details: dict[str, Any] = field(default_factory=dict)

    def to_text(self) -> str:
        """Return the step as text."""
        words = f"{self.at:%Y-%m-%d %H:%M} {self.does} #{self.ref}"
        if self.does in {"approve", "discard", "undo", "removals"}:
            words += f" of #{self.of}"
        if self.does == "undo":
            words += f" {self.part}"
        if self.scope:
            words += f" scope {self.scope}"
        if self.details:
            words += f" {self.details}"
        packs = [self.pack] if self.pack else [one.pack for one in self.packs]
        return "\n".join([words, *(pack.to_text() for pack in packs)])


class DivergenceError(AssertionError):
    """The site differs from the model; the lines name the differences and the steps before them."""

    def __init__(self, wrong: list[str]) -> None:
        super().__init__("\n".join(wrong))
        self.wrong = wrong
        self.steps: list[Step] = []


class Log(logging.Handler):
    """Keep what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


class Pairing:
    """A real site and its model, on which the same steps are taken."""

    def __init__(self) -> None:
        self.name = f"oracle-{os.getpid()}-{next(_SITES)}"
        self.folder = Path(tempfile.mkdtemp(prefix="oracle-"))
        self.model = ModelSite()
        self.now = START - HOURS
        self.run_ids: dict[int, str] = {}
        self.log = Log()
        self.hand_made: dict[int, int] = {}
        self.was: dict[int, dict[str, Any]] = {}
        self.last: tuple[Step, Run] | None = None
        api.create_site(self.name, admin="admin@x.org", clock=self.clock)
        self.model.state.admin = self.model.account(
            email="admin@x.org", username="admin@x.org", role="administrator", status="active"
        )
        (row,) = self._rows("select id from users where site = :site")
        self.hand_made[row.id] = self.model.state.admin

    def clock(self) -> dt.datetime:
        """Return the time of the step."""
        return self.now

    def take(self, step: Step) -> None:
        """Take a step on the site and the model, and compare them.

        Raises:
            DivergenceError: They differ.
        """
        self.now = step.at
        before, was = self._changes(), self._found()
        logger = logging.getLogger("oneroster")
        logger.addHandler(self.log)
        try:
            found, wanted = getattr(self, f"_{step.does}")(step)
        finally:
            logger.removeHandler(self.log)
        wrong = []
        if wanted is not None:
            wrong += self._of_run(step, found, wanted)
            wrong += self._audited(found, wanted, self._changes() - before)
            wrong += self._again(step, found) + self._given_back(step, wanted)
            self.was[wanted.ref] = was
            self.last = step, wanted
        elif step.does != "account":
            self.last = None
        wrong += self._of_roster()
        wrong += self._of_runs()
        wrong += self._of_pending()
        wrong += self._pupils_seen(found)
        if wrong:
            raise DivergenceError(wrong)

    def close(self) -> None:
        """Remove the packages."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # Steps

    def _request(self, step: Step, **fields: Any) -> api.Request:
        request = api.Request(site=self.name, requested_by="the oracle", **fields)
        self.run_ids[step.ref] = request.run_id
        return request

    def _of_package(self, step: Step) -> api.Request:
        assert step.pack is not None
        folder = self.folder / str(len(self.run_ids))
        path = step.pack.write(folder)
        kind, scope = api.Kind.PACKAGE, step.scope and api.Scope(step.scope)
        if step.pack.lone:
            kind = api.Kind(next(iter(step.pack.files)))
            scope = None
        return self._request(step, package=str(path), kind=kind, scope=scope)

    def _sync(self, step: Step) -> tuple[Any, Run]:
        run = api.sync(self._of_package(step), clock=self.clock)
        return run, self._in_model(step)

    def _source(self, step: Step) -> tuple[Any, Run]:
        place = self.folder / "source"
        place.mkdir(exist_ok=True)
        for one in step.packs:
            number = len(list(self.folder.iterdir()))
            folder = one.pack.write(self.folder / f"package-{number}")
            zipped = shutil.make_archive(str(place / f"{number:04}"), "zip", folder)
            os.utime(zipped, (one.at.timestamp(), one.at.timestamp()))
        request = self._request(step, trigger=api.Trigger.SCHEDULE)
        found = api.sync(request, clock=self.clock)
        return found, self.model.sync_source(step.ref, list(step.packs), step.at)

    def _preview(self, step: Step) -> tuple[Any, Run]:
        run = api.preview(self._of_package(step), clock=self.clock)
        return run, self._in_model(step, preview=True)

    def _in_model(self, step: Step, *, preview: bool = False) -> Run:
        assert step.pack is not None
        scope = next(iter(step.pack.files)) if step.pack.lone else step.scope
        packs = [Arrived(step.pack, step.at)]
        return self.model.sync(step.ref, packs, scope, step.at, preview=preview)

    def _approve(self, step: Step) -> tuple[Any, Run | None]:
        wanted = self.model.approve(step.of, step.at)
        try:
            found = api.approve(self.run_ids[step.of], by="the oracle", clock=self.clock)
        except api.NotHeldError:
            found = None
        return self._both(found, wanted)

    def _discard(self, step: Step) -> tuple[Any, Run | None]:
        wanted = self.model.discard(step.of, step.at)
        try:
            found = api.discard(self.run_ids[step.of], by="the oracle", clock=self.clock)
        except api.NotHeldError:
            found = None
        return self._both(found, wanted)

    def _both(self, found: Any, wanted: Run | None) -> tuple[Any, Run | None]:
        if (found is None) != (wanted is None):
            raise DivergenceError(
                [f"a decision: wanted {wanted and wanted.outcome}, found {found}"]
            )
        return found, wanted

    def _undo(self, step: Step) -> tuple[Any, Run]:
        part = api.Part(
            kind=step.part.kind, sourced_id=step.part.sid, changed_too=step.part.changed_too
        )
        request = self._request(step, undoes=self.run_ids[step.of], undo_of=part)
        found, _ = api.undo(request, clock=self.clock)
        return found, self.model.undo(step.ref, step.of, step.part, step.at)

    def _removals(self, step: Step) -> tuple[Any, Run | None]:
        left = self._run(self.run_ids[step.of])
        request = api.pending_removals(left, self._request(step).run_id)
        wanted = self.model.removals(step.ref, step.of, step.at)
        if request is None:
            raise DivergenceError([f"#{step.of} has no pending removals, wanted {wanted.outcome}"])
        return api.sync(request, clock=self.clock), wanted

    def _prefer(self, step: Step) -> tuple[None, None]:
        changes = _as_json(step.details)
        if "source" in changes:
            changes["source"] = str(self.folder / "source")
        api.change_preferences(self.name, changes, by="the oracle", clock=self.clock)
        choice = self.model.choice
        for name, value in step.details.items():
            if name == "source":
                continue  # the model's source is a list
            if name.startswith("limit."):
                choice.limits[name.removeprefix("limit.")] = value
            else:
                setattr(choice, name, value)
        return None, None

    def _account(self, step: Step) -> tuple[None, None]:
        number = self.model.account(**step.details)
        query = (
            "insert into users (site, email, login, given_name, family_name, role, status, managed)"
            " values (:site, :email, lower(:email), :given, :family, :role, :status, false) "
            "returning id"
        )
        bound = {"given": None, "family": None, **step.details, "site": self.name}
        with _engine().begin() as connection:
            self.hand_made[connection.scalar(sa.text(query), bound)] = number
        return None, None

    # Comparison

    def _of_run(self, step: Step, found: Any, wanted: Run) -> list[str]:
        wrong = []
        outcome = found.outcome.value if found.outcome else None
        if step.does == "preview" and outcome in {None, "held"}:
            outcome = "discarded"  # the state of the record when its plan was reviewed
        if outcome != wanted.outcome:
            wrong.append(
                f"outcome: wanted {wanted.outcome} {sorted(wanted.holds)}, found {outcome}"
            )
            wrong += [str(reason)[:300] for reason in found.reasons]
        counts = found.counts or {}
        for kind, numbers in wanted.counts.items():
            for word in sorted({*numbers, *counts.get(kind, ())}):
                one, other = numbers.get(word, 0), counts.get(kind, {}).get(word, 0)
                if one != other and wanted.outcome != "rejected":
                    wrong.append(f"count of {kind} {word}: wanted {one}, found {other}")
        if step.does != "approve" and wanted.plan is not None:
            holds = {(hold["code"], hold["kind"]) for hold in found.holds}
            if holds != wanted.holds:
                wrong.append(f"held for: wanted {sorted(wanted.holds)}, found {sorted(holds)}")
        return wrong

    def _again(self, step: Step, found: Any) -> list[str]:
        """Expect no changes if the package before was the same and was applied whole."""
        if step.does != "sync" or self.last is None:
            return []
        earlier, run = self.last
        same = earlier.pack is step.pack and earlier.scope == step.scope
        if not same or earlier.does != "sync" or not run.applied or run.withheld is not None:
            return []
        changed = {
            f"{kind} {word}": number
            for kind, numbers in (found.counts or {}).items()
            for word, number in numbers.items()
            if number and word not in {"errors", "ignored"}
        }
        return [f"the same package again: {changed}"] if changed else []

    def _given_back(self, step: Step, wanted: Run) -> list[str]:
        """Expect the exact state before the last run after an undo of that whole run."""
        if step.does != "undo" or self.last is None or step.part != Part() or not wanted.applied:
            return []
        if self.last[1].ref != step.of or self.last[1].undoes is not None:
            return []
        was, now = self.was[step.of], self._found()
        hand = [key for key in now if key.startswith(("user", "course", "assignment"))]
        wrong = [_difference(f"given back, {k}", was[k], now[k]) for k in hand
                 if k in was and was[k] != now[k]]  # fmt: skip
        left = {"active"} & {str(now[k]["status"] if isinstance(now[k], dict) else now[k])
                             for k in hand if k not in was}  # fmt: skip
        return [*wrong, *(["what the run added is still there"] if left else [])]

    def _changes(self) -> set[int]:
        return {row.id for row in self._rows("select id from changes where site = :site")}

    def _audited(self, found: Any, wanted: Run, new: set[int]) -> list[str]:
        """Compare the audit rows of a run with its counts."""
        query = "select kind, action from changes where id = any(:ids)"
        audited: dict[str, int] = {}
        for row in self._rows(query, ids=sorted(new)):
            audited[row.kind] = audited.get(row.kind, 0) + 1
        counts = found.counts or {}
        if not wanted.applied:
            return [f"audit of a run that was not applied: {audited}"] if audited else []
        counted = {
            kind[:-1]: sum(n for word, n in numbers.items() if word not in {"errors", "ignored"})
            for kind, numbers in counts.items()
        }
        counted = {kind: number for kind, number in counted.items() if number}
        return [f"audit {audited} is not what is counted: {counted}"] if audited != counted else []

    def _of_roster(self) -> list[str]:
        state = self.model.state
        names = {number: u["sid"] or f"account {number}" for number, u in state.users.items()}
        courses = {number: c["sid"] for number, c in state.courses.items()}
        wanted: dict[str, Any] = {}
        for number, user in state.users.items():
            wanted[f"user {self._called(number, names)}"] = user
        wanted |= {f"course {c['sid']}": c for c in state.courses.values()}
        wanted |= {
            f"assignment {self._called(u, names)} {courses[c]}": status
            for (u, c), status in state.pairs.items()
        }
        for name in LINKS:
            for id_, row in state.links[name].items():
                wanted[f"{name} {id_}"] = {k: v for k, v in row.items() if k != "unplaced"}
        wanted |= {f"moment {f} {i}": when for (f, i), when in state.moments.items()}
        found = self._found()
        return [
            _difference(key, wanted.get(key), found.get(key))
            for key in sorted(wanted.keys() | found.keys())
            if wanted.get(key) != found.get(key)
        ]

    def _called(self, number: int, names: dict[int, str]) -> str:
        by_hand = number in self.hand_made.values()
        return f"account {number}" if by_hand else names[number]

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        names = {}
        for row in self._rows("select * from users where site = :site"):
            number = self.hand_made.get(row.id)
            names[row.id] = f"account {number}" if number else row.sourced_id
            found[f"user {names[row.id]}"] = {
                "sid": row.sourced_id, "given": row.given_name, "family": row.family_name,
                "email": row.email, "login": row.login, "username": row.username,
                "role": row.role, "orgs": row.org_sourced_ids, "status": row.status,
                "managed": row.managed,
            }  # fmt: skip
        courses = {}
        for row in self._rows("select * from courses where site = :site"):
            courses[row.id] = row.sourced_id
            found[f"course {row.sourced_id}"] = {
                "sid": row.sourced_id, "title": row.title, "code": row.course_code,
                "grades": row.grades, "subjects": row.subjects, "org": row.org_sourced_id,
                "year": row.school_year_sourced_id, "status": row.status, "managed": row.managed,
            }  # fmt: skip
        for row in self._rows("select * from course_assignments where site = :site"):
            found[f"assignment {names[row.user_id]} {courses[row.course_id]}"] = row.status
        for name, columns in _REMEMBERED.items():
            query = f"select sourced_id, {columns} from {name} where site = :site"  # noqa: S608
            for row in self._rows(query):
                values = dict(row._mapping)
                ends = values.get("ends")
                if isinstance(ends, dt.date):
                    values["ends"] = ends.isoformat()
                found[f"{name} {values.pop('sourced_id')}"] = values
        for row in self._rows("select * from modified where site = :site"):
            found[f"moment {row.file} {row.sourced_id}"] = row.modified_at.astimezone(dt.UTC)
        return found

    def _of_runs(self) -> list[str]:
        """Compare the outcomes of earlier runs: a later run may have superseded them."""
        query = "select run_id::text, outcome from runs where site = :site"
        outcomes = {row.run_id: row.outcome for row in self._rows(query)}
        return [
            f"run #{ref}: wanted {run.outcome}, found {outcomes.get(self.run_ids[ref])}"
            for ref, run in self.model.runs.items()
            if outcomes.get(self.run_ids[ref]) != run.outcome
        ]

    def _of_pending(self) -> list[str]:
        query = "select run_id::text, file, state from pending_deltas where site = :site"
        found = sorted((row.run_id, row.file, row.state) for row in self._rows(query))
        deltas = self.model.deltas.values()
        wanted = sorted((self.run_ids[d.run], d.file, d.state) for d in deltas)
        lost = {row.file for row in self._rows("select file from out_of_step where site = :site")}
        wrong = []
        if found != wanted:
            wrong.append(f"pending deltas: wanted {wanted}, found {found}")
        if lost != set(self.model.out_of_step):
            wrong.append(f"out of step: wanted {set(self.model.out_of_step)}, found {lost}")
        return wrong

    def _pupils_seen(self, found: Any) -> list[str]:
        """Search for a pupil's value in the log, in the database, and in the run's folder."""
        wrong = [f"the log names a pupil: {line}" for line in self.log.lines if PUPIL in line]
        self.log.lines.clear()
        for table in ("users", "courses", "enrollments", "roles", "findings", "changes", "runs"):
            of = "run_id in (select run_id from runs where site = :site)"
            where = of if table == "findings" else "site = :site"
            query = f"select count(*) as n from {table} t where {where} and t::text like :like"  # noqa: S608
            if self._rows(query, like=f"%{PUPIL}%")[0].n:
                wrong.append(f"the table {table} holds a pupil's value")
        if found is not None:
            from oneroster_sync.runs.artifacts import RunFolder

            folder = Path(str(RunFolder.of(self.name, found.run_id).path))
            wrong += [
                f"{file.name} of the run's folder holds a pupil's value"
                for file in folder.rglob("*")
                if file.is_file() and _holds(file, PUPIL)
            ]
        return wrong

    def _run(self, run_id: str) -> Any:
        from oneroster_sync.runs import find

        return find(run_id)

    def _rows(self, query: str, **bound: Any) -> list[Any]:
        with _engine().connect() as connection:
            return list(connection.execute(sa.text(query), {"site": self.name, **bound}))


def _difference(key: str, wanted: Any, found: Any) -> str:
    """Return the difference of two records as a line."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        parts = [f for f in wanted if wanted[f] != found.get(f)]
        wanted, found = ({f: side.get(f) for f in parts} for side in (wanted, found))
    return f"{key}: wanted {wanted}, found {found}"


def _holds(file: Path, text: str) -> bool:
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return text in str(pq.read_table(file).to_pydict())
    return text.encode() in file.read_bytes()


def _engine() -> sa.Engine:
    from oneroster_sync import database

    return database.engine()


def _as_json(preferences: dict[str, Any]) -> dict[str, Any]:
    """Return preferences in the form of the API."""
    names = {
        "adopt": "adopt_accounts", "removals_wait": "guards.removals_wait",
        "teaching": "assignment_roles",
    }  # fmt: skip
    changes: dict[str, Any] = {}
    for name, value in preferences.items():
        if name.startswith("limit."):
            group = f"guards.{name.removeprefix('limit.')}"
            changes |= {f"{group}.percent": value[0], f"{group}.minimum": value[1]}
        elif name == "raised":
            until = value and value[1] and value[1].isoformat()
            changes["guards.raised"] = value and {"percent": value[0], "until": until}
        else:
            is_day = isinstance(value, dt.date)
            changes[names.get(name, name)] = value.isoformat() if is_day else value
    return changes
