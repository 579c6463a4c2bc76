"""The model of a site over time, from the documentation: runs, decisions, deltas, undos."""

from __future__ import annotations

import datetime as dt
from typing import Any

from oracle.door import FILES_OF, Known, Line, Read
from oracle.guards import DEFAULTS, REMOVALS, Asked, Done, Past, holds
from oracle.judge import Judged, judge_lines
from oracle.plan import Planner
from oracle.runs import Choice, Delta, Run, count, count_roles_alone, is_unusable
from oracle.source import (
    Arrived,
    Source,
    ask_for_roles_again,
    fold_files,
    lost_files,
    number_packages,
    read_all,
    rows_of,
)
from oracle.state import ENDED, Change, Plan, State, without
from oracle.strict import rejects_lines
from oracle.undo import Part, take_back

_ROSTERED = {"users", "courses", "classes", "enrollments"}
_UNDONE = {
    "user": {"users", "roles", "enrollments"},
    "course": {"courses", "classes"},
    "assignment": {"classes", "enrollments"},
}
PENDING_DAYS = dt.timedelta(days=30)
APPROVAL = dt.timedelta(hours=72)


class ModelSite:
    """A site as the documentation says that it must be."""

    def __init__(self) -> None:
        self.state = State()
        self.choice = Choice()
        self.past = Past()
        self.source = Source()
        self.runs: dict[int, Run] = {}
        self.deltas: dict[int, Delta] = {}
        self.out_of_step: dict[str, dt.datetime] = {}
        self._numbers = 0

    def account(self, **values: Any) -> int:
        """Add an account that was made by hand."""
        number = self._next()
        user = dict.fromkeys(("sid", "given", "family", "username", "orgs"))
        login = values["email"].lower()
        self.state.users[number] = {**user, **values, "managed": False, "login": login}
        return number

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    # A sync

    def sync_source(self, ref: int, packs: list[Arrived], at: dt.datetime) -> Run:
        """Sync the new packages of the source, to which these have been added."""
        self.source.packs += packs
        unread, is_again = self.source.unread()
        run = self.sync(ref, unread, None, at, is_again=is_again)
        if run.outcome != "rejected":
            self.source.taken = len(self.source.packs)
        return run

    def sync(self, ref: int, packs: list[Arrived], scope: str | None, at: dt.datetime, *,
             preview: bool = False, is_again: bool = False) -> Run:  # fmt: skip
        """Sync packages, the oldest first."""
        run = Run(ref, at, self.choice.copy(), scope or self.choice.scope)
        self.runs[ref] = run
        strict = run.choice.profile == "strict"
        reads = read_all(packs, self._known(), run.scope, strict=strict, is_again=is_again)
        if reads is None:
            self._expire(at)
            run.outcome = "rejected"
            return run
        own = self._keep(ref, reads, [one.at for one in packs])
        for file in lost_files(reads):
            self.out_of_step.setdefault(file, at)
        self._expire(at)
        read, pack = reads[-1], packs[-1].pack
        read.rows, read.ignored = rows_of(reads), sum(one.ignored for one in reads)
        lines, modes = self._fold(run, reads)
        run.modes = modes
        run.missing = {name: set(columns) for name, columns in pack.missing.items()}
        run.bulk = {name for name, mode in modes.items() if mode == "bulk"}
        judged = judge_lines(
            read.version, modes, lines, self.state.known(), self.state.moments,
            schools_decide=run.choice.limits["school"] != DEFAULTS["school"],
            missing=run.missing,
        )  # fmt: skip
        rejected = strict and rejects_lines(judged, lines, modes, run.number)
        if rejected or is_unusable(judged, modes, read):
            run.outcome = "rejected"
            self._forget(own)
            return run
        self._plan(run, read, judged, modes)
        self._review(run, judged, modes, read.rows, at, lines)
        if preview:
            run.outcome = "discarded"
            self._forget(own)
            return run
        self._supersede(run)
        if run.outcome is None:
            self._apply(run, at)
        return run

    def _known(self) -> Known:
        """Return what `door` has to know: the records of the site and of pending staff deltas."""
        links = self.state.links
        known = Known(
            set(self.state.by_sid("users")),
            {id_: row["user"] for id_, row in links["roles"].items()},
            set(links["enrollments"]),
            {id_: row["type"] for id_, row in links["roles"].items()},
            has_courses=any(course["sid"] for course in self.state.courses.values()),
        )
        known.pairs = {id_ for id_ in links["enrollments"] if id_.startswith("(")}
        for delta in self.deltas.values():
            if delta.state == "pending":
                known.add_pending(delta.file, delta.lines)
        return known

    def _keep(self, ref: int, reads: list[Read], arrived: list[dt.datetime]) -> list[int]:
        numbers = []
        for part, read in enumerate(reads):
            for name, mode in read.modes.items():
                if mode == "delta":
                    numbers.append(self._next())
                    lines = read.lines[name]
                    delta = Delta(ref, name, read.version, arrived[part], lines, part=part)
                    self.deltas[numbers[-1]] = delta
        return numbers

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self.deltas.pop(number, None)

    def _expire(self, at: dt.datetime) -> None:
        """Expire deltas that were pending too long, except those of held or running plans."""
        waits = {n for r in self.runs.values() if r.outcome in {None, "held"} for n in r.deltas}
        waiting = {(self.deltas[n].run) for n in waits if n in self.deltas}
        for delta in self.deltas.values():
            run = self.runs[delta.run]
            old = run.started < at - PENDING_DAYS
            if delta.state == "pending" and old and delta.run not in waiting and run.outcome:
                delta.state = "expired"
                self.out_of_step.setdefault(delta.file, at)

    def _fold(self, run: Run, reads: list[Read]) -> tuple[dict[str, list[Line]], dict[str, str]]:
        """Return the lines of each file, own and pending, and the mode of each file."""
        taken = {n for r in self.runs.values() if r.approved and r.outcome == "held"
                 for n in r.deltas}  # fmt: skip
        read, bulk = reads[-1], {f for one in reads for f, m in one.modes.items() if m == "bulk"}
        used = [
            number for number, d in self.deltas.items()
            if d.state == "pending" and d.version == read.version and number not in taken
            and d.file in FILES_OF[run.scope]
            and (d.run == run.ref or d.file not in bulk)
        ]  # fmt: skip
        used.sort(key=lambda n: (self.deltas[n].arrived, n))
        run.deltas = used
        deltas = [self.deltas[n] for n in used]
        numbers = number_packages(run.ref, reads, deltas)
        run.number = numbers[run.ref, len(reads) - 1]
        files, modes = fold_files(run.ref, reads, deltas, numbers)
        if read.version == "1.2" and "users" in files and modes.get("roles") != "bulk":
            ask_for_roles_again(files, self.state.links["roles"], set(self.state.by_sid("users")))
        return files, modes

    def _plan(self, run: Run, read: Read, judged: Judged, modes: dict[str, str]) -> None:
        plan = self._planner(run, modes, judged.good, judged.bad).make()
        until = run.choice.create_only_until
        run.errors = any(plan.bad.values())
        if until is not None and run.started.date() <= until:
            plan, rest = without(plan, {"deactivate", "remove", "update"})
            if rest.changes():
                run.withheld, run.why_withheld = rest, "create_only"
        run.plan = plan
        run.counts = count(plan)
        run.counts["users"]["errors"] += count_roles_alone(plan, modes)
        run.counts["users"]["ignored"] = read.ignored

    def _absent(self) -> set[int]:
        """Return the inactive users whom no row disabled: a blank enabledUser reactivates them."""
        inactive = [n for n, user in self.state.users.items() if user["status"] == "inactive"]
        went = {n: self.past.went(n) for n in inactive}
        return {
            n
            for n, done in went.items()
            if done is not None and done.change.why != "disabled" and self.state.users[n]["managed"]
        }

    def _planner(self, run: Run, modes: dict[str, str], good: Any, bad: Any) -> Planner:
        percent, minimum = run.choice.limits["sourced_ids"]
        return Planner(
            self.state, modes, good, bad, adopt=run.choice.adopt, today=run.started.date(),
            rekeys=(percent, minimum), teaching=run.choice.teaching, missing=run.missing,
            absent=self._absent(),
        )  # fmt: skip

    def _review(
        self, run: Run, judged: Judged, modes: dict[str, str], rows: dict[str, int],
        at: dt.datetime, lines: dict[str, list[Line]],
    ) -> None:  # fmt: skip
        assert run.plan is not None
        sizes = {n: (len(judged.bad[n]), len(judged.good[n])) for n in judged.good}
        used = {n: [*judged.good[n], *judged.bad[n]] for n in judged.good}
        asked = self._asked(run, at, modes, rows, sizes, used)
        run.holds = holds(run.plan, asked)
        run.holds |= self._out_of_step_holds(run.plan, modes)
        if run.plan.changes():
            run.holds |= self._hold_parts(run, judged, modes, at)
        del lines
        only_removals = run.holds and {code for code, _ in run.holds} <= REMOVALS
        if only_removals and run.choice.removals_wait:
            now, rest = without(run.plan, {"deactivate", "remove"})
            if now.changes():
                now.bad = run.plan.bad
                run.withheld, run.why_withheld = rest, "removals_wait"
                run.plan, run.holds = now, set()
                errors = {k: v["errors"] for k, v in run.counts.items()}
                ignored = run.counts["users"]["ignored"]
                run.counts = count(now)
                for kind, number in errors.items():
                    run.counts[kind]["errors"] = number
                run.counts["users"]["ignored"] = ignored
        if run.holds:
            run.outcome, run.expires = "held", at + APPROVAL

    def _asked(
        self, run: Run, at: dt.datetime, modes: dict[str, str], rows: dict[str, int],
        sizes: dict[str, tuple[int, int]], lines: dict[str, list[Line]],
    ) -> Asked:  # fmt: skip
        raised = run.choice.raised_on(run.started.date())
        return Asked(
            self.state, self.past, run.choice.limits, at, run.started, modes, rows, sizes,
            raised=raised, lines=lines,
        )  # fmt: skip

    def _hold_parts(
        self, run: Run, judged: Judged, modes: dict[str, str], at: dt.datetime
    ) -> set[tuple[str, str]]:
        """Apply the guards to each delta of a folded plan."""
        of = {line.get("part") for side in (judged.good, judged.bad)
              for lines in side.values() for line in lines}  # fmt: skip
        found: set[tuple[str, str]] = set()
        if len(of) < 2:
            return found
        for part in of:
            good, bad = (
                {n: [dict(line) for line in lines if line.get("part") == part]
                 for n, lines in side.items() if modes[n] == "delta"}
                for side in (judged.good, judged.bad)
            )  # fmt: skip
            names = {n for n in good if good[n] or bad[n]}
            good, bad = ({n: side[n] for n in names} for side in (good, bad))
            if not names:
                continue
            mine = dict.fromkeys(names, "delta")
            plan = self._planner(run, mine, good, bad).make()
            until = run.choice.create_only_until
            if until is not None and run.started.date() <= until:
                plan, _ = without(plan, {"deactivate", "remove", "update"})
            sizes = {n: (len(bad[n]), len(good[n])) for n in names}
            used = {n: [*good[n], *bad[n]] for n in names}
            found |= holds(plan, self._asked(run, at, mine, {}, sizes, used))
        return found

    def _out_of_step_holds(self, plan: Plan, modes: dict[str, str]) -> set[tuple[str, str]]:
        of = {
            "users": (plan.users, ("users", "roles")), "courses": (plan.courses, ("courses",)),
            "assignments": (plan.pairs, ("enrollments", "classes", "courses")),
        }  # fmt: skip
        found = set()
        for kind, (changes, files) in of.items():
            lost = [f for f in files if f in self.out_of_step and modes.get(f) == "delta"]
            gone = [c for c in changes if c.action in {"deactivate", "remove"} and c.why != ENDED]
            if lost and gone:
                found.add(("guard.out_of_step", kind))
        return found

    def _supersede(self, run: Run) -> None:
        """Supersede the held plans that this run replaces."""
        bulk = run.bulk & _ROSTERED
        for older in self.runs.values():
            if (
                older.outcome != "held"
                or older.approved
                or older is run
                or older.undoes is not None
            ):
                continue
            named = older
            if older.removals_of is not None:
                named = self.runs[older.removals_of]
            theirs = set(named.modes) & _ROSTERED
            if set(older.deltas) & set(run.deltas) or theirs <= bulk:
                older.outcome = "superseded"

    # Applying

    def _apply(self, run: Run, at: dt.datetime) -> None:
        plan, state = run.plan, self.state
        assert plan is not None
        run.before = state.copy()
        numbers: dict[tuple[str, int], int] = {}
        done: list[Change] = []
        for change in (*plan.users, *plan.courses):
            records = state.users if change.kind == "user" else state.courses
            key = change.key
            if key < 0:
                number = self._next()
                numbers[change.kind, key] = number
                key = number
            records[key] = dict(change.after)
            state.lost_role.discard(key if change.kind == "user" else 0)
            if change.kind == "user" and change.why in {"no role", "not_primary"}:
                state.lost_role.add(key)
            done.append(Change(change.kind, key, change.before, change.after, change.action,
                               change.why))  # fmt: skip
        for change in plan.pairs:
            user, course = change.key
            pair = numbers.get(("user", user), user), numbers.get(("course", course), course)
            state.pairs[pair] = change.after
            done.append(Change("assignment", pair, change.before, change.after, change.action,
                               change.why))  # fmt: skip
        moved = {n: rows for n, rows in plan.links.items() if rows != state.links[n]}
        for name, rows in moved.items():
            run.trace.links[name] = state.links[name], rows
            state.links[name] = rows
        for key in plan.forget:
            state.moments.pop(key, None)
        state.moments |= plan.put
        state.lost_role -= plan.stay_gone
        run.trace.changes, run.trace.put = done, dict(plan.put)
        self._note(run, done, at)
        if done or moved or plan.stay_gone:
            state.version += 1
            for older in self.runs.values():
                if older.outcome == "held" and older is not run:
                    older.outcome = "superseded"
        self._end_deltas(run)
        raised = run.choice.raised
        if done and raised and raised[1] is None and self.choice.raised == raised:
            self.choice.raised = None
        run.applied = True
        run.outcome = "succeeded" if done else "no_changes"
        if run.errors:
            run.outcome = "succeeded_with_errors"

    def _note(self, run: Run, done: list[Change], at: dt.datetime) -> None:
        alone = not run.approved and run.undoes is None
        raised = run.choice.raised_on(run.started.date()) is not None
        self.past.done += [Done(at, change, alone, raised) for change in done]
        kinds = ("users", "courses", "assignments")
        self.past.active.append((at, {kind: self.state.active(kind) for kind in kinds}))
        for kind in kinds:
            if run.counts[kind].get("added"):
                self.past.first.setdefault(kind, at)

    def _end_deltas(self, run: Run) -> None:
        if run.undoes is not None:
            self._drop_undone(run)
        if run.withheld is not None:
            return
        read_at = self.runs[run.removals_of].started if run.removals_of is not None else run.started
        self._forget(run.deltas)
        for number, delta in list(self.deltas.items()):
            if delta.file in run.bulk and self.runs[delta.run].started <= read_at:
                del self.deltas[number]
        for file in run.bulk & set(self.out_of_step):
            if self.out_of_step[file] <= read_at:
                del self.out_of_step[file]

    def _drop_undone(self, run: Run) -> None:
        assert run.undoes is not None
        files = _UNDONE.get(run.part.kind or "")
        for number in self.runs[run.undoes].deltas:
            delta = self.deltas.get(number)
            if delta is None or delta.state != "pending" or (files and delta.file not in files):
                continue
            if run.part.sid is None:
                delta.state = "discarded"
            else:
                columns = ("sourcedId", "userSourcedId", "courseSourcedId")
                delta.lines = [
                    line for line in delta.lines
                    if run.part.sid not in {line.get(c) for c in columns}
                ]  # fmt: skip

    # Decisions

    def approve(self, ref: int, at: dt.datetime) -> Run | None:
        """Approve a held plan; return None if it is no longer held."""
        run = self._late(ref, at)
        if run.outcome != "held":
            return None
        run.approved = True
        if not all(n in self.deltas and self.deltas[n].state == "pending" for n in run.deltas):
            run.outcome = "superseded"
        else:
            run.outcome = None
            self._apply(run, at)
        return run

    def discard(self, ref: int, at: dt.datetime) -> Run | None:
        """Discard a held plan with its deltas; return None if it is no longer held.

        If the run ended without a decision, drop the deltas that it left pending.
        """
        run = self.runs[ref]
        if run.outcome != "held":
            own = [d for d in self.deltas.values() if d.run == ref and d.state == "pending"]
            for delta in own:
                delta.state = "discarded"
            return run if own else None
        if self._late(ref, at).outcome != "held":
            return None
        run.outcome = "discarded"
        for number in run.deltas:
            if number in self.deltas and self.deltas[number].state == "pending":
                self.deltas[number].state = "discarded"
        return run

    def _late(self, ref: int, at: dt.datetime) -> Run:
        run = self.runs[ref]
        if run.outcome == "held" and run.expires is not None and run.expires <= at:
            run.outcome = "discarded"
        return run

    # Runs that read no package

    def undo(self, ref: int, of: int, part: Part, at: dt.datetime) -> Run:
        """Take back a run or a part of it."""
        self._expire(at)
        run = Run(ref, at, self.choice.copy(), self.choice.scope, undoes=of, part=part)
        self.runs[ref] = run
        return self._of_earlier(run, take_back(self.state, self.runs[of].trace, part), at)

    def removals(self, ref: int, of: int, at: dt.datetime) -> Run:
        """Hold the pending removals of a run that are still valid."""
        self._expire(at)
        left = self.runs[of]
        run = Run(ref, at, self.choice.copy(), left.scope, removals_of=of)
        run.deltas, run.bulk = list(left.deltas), set(left.bulk)
        self.runs[ref] = run
        rest, state, plan = left.withheld, self.state, Plan()
        assert rest is not None
        if any(n not in self.deltas or self.deltas[n].state != "pending" for n in run.deltas):
            # Another plan has applied the deltas with its own, or a person has discarded them.
            rest, run.deltas, run.bulk = Plan(), [], set()
        for changes, kept, records in (
            (rest.users, plan.users, state.users), (rest.courses, plan.courses, state.courses),
        ):  # fmt: skip
            there = {r["sid"] for r in records.values()}
            for c in changes:
                new = c.before is None and c.after["sid"] not in there
                if new or (c.before is not None and records.get(c.key) == c.before):
                    kept.append(c)
        users, courses = state.by_sid("users"), state.by_sid("courses")
        for c in rest.pairs:
            pair = c.key
            if pair[0] < 0 or pair[1] < 0:
                sids = {x.key: x.after["sid"] for x in (*rest.users, *left.plan.courses)}  # type: ignore[union-attr]
                pair = (
                    users.get(str(sids.get(pair[0])), pair[0]),
                    courses.get(str(sids.get(pair[1])), pair[1]),
                )
            if state.pairs.get(pair) == c.before:
                plan.pairs.append(Change(c.kind, pair, c.before, c.after, c.action, c.why))
        return self._of_earlier(run, plan, at)

    def _of_earlier(self, run: Run, plan: Plan, at: dt.datetime) -> Run:
        run.plan, run.counts = plan, count(plan)
        run.holds = holds(plan, self._asked(run, at, {}, {}, {}, {}))
        if run.holds:
            run.outcome, run.expires = "held", at + APPROVAL
        else:
            self._apply(run, at)
        return run
