"""Random days of a made-up district: after each step the site is compared with the model."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.guards import DEFAULTS
from oracle.pairing import HOURS, START, DivergenceError, Pairing, Step
from oracle.sis import Pack, Sis
from oracle.source import Arrived
from oracle.undo import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oracle.runs import Choice
    from oracle.site import ModelSite


@dataclass(slots=True)
class Story:
    """The steps of a seed; each step depends on the outcomes of the earlier ones in the model."""

    seed: int
    days: int

    def steps(self, pairing: Pairing) -> Iterator[Step]:
        """Yield the steps, each after the previous one was taken."""
        rng = random.Random(self.seed)
        version = ("1.0", "1.1", "1.2", "1.2")[self.seed % 4]
        wild = rng.random() < 0.3
        sis = Sis(random.Random(self.seed * 7 + 1), version, rng.choice((8, 14, 24)), wild)
        sis.paired = rng.random() < 0.15
        share = rng.choice((0.03, 0.03, 0.03, 0.1, 0.25))
        old: list[tuple[Pack, str | None]] = []
        model = pairing.model
        at, ref = START, itertools.count(1)
        yield Step("prefer", at - HOURS, details=self._limits(rng))
        for account in self._accounts(rng, sis):
            yield Step("account", at - HOURS, details=account)
        if self.seed % 5 == 4 and version != "1.0":
            sis.paired = False
            yield Step("prefer", at - HOURS, details={"source": True, "profile": "tolerant"})
            yield from self._by_source(rng, sis, model, ref)
            return
        for day in range(self.days):
            if day:
                sis.live()
                at += dt.timedelta(days=rng.choice((1, 1, 1, 1, 1, 2, 3, 9, 31)))
            if rng.random() < 0.04:
                sis.paired = not sis.paired
            if rng.random() < 0.15:
                yield Step("prefer", at, details=self._other(rng, at, model.choice))
            # Strict rejects nearly every faulty package, so most days must be correct there.
            spoilt = 0.2 if model.choice.profile == "strict" else 0.7
            pack, scope = self._package(rng, sis, at, (share, spoilt), first=day == 0)
            if old and rng.random() < 0.06:
                pack, scope = rng.choice(old)  # a late package, or one that arrives again
            old.append((pack, scope))
            does = "preview" if rng.random() < 0.05 else "sync"
            number = next(ref)
            yield Step(does, at, number, pack=pack, scope=scope)
            if rng.random() < 0.35:
                yield Step("sync", at + HOURS, next(ref), pack=pack, scope=scope)
            yield from self._decide(rng, model, at + 2 * HOURS, ref)
            if rng.random() < 0.3 and day:
                yield from self._take_back(rng, model, at + 4 * HOURS, ref)

    def _by_source(
        self, rng: random.Random, sis: Sis, model: ModelSite, ref: Iterator[int]
    ) -> Iterator[Step]:
        """Yield the days of a site whose SIS delivers packages between two syncs."""
        at = START
        for day in range(self.days):
            packs = []
            for _ in range(rng.choice((0, 1, 1, 2, 2, 3)) if day else 1):
                if day:
                    sis.live()
                at += dt.timedelta(days=1)
                pack, _ = self._package(rng, sis, at, (0.05, 0.5), first=not day, plain=True)
                packs.append(Arrived(pack, at - HOURS))
            at += HOURS
            if rng.random() < 0.1:
                other = self._other(rng, at, model.choice)
                if "profile" not in other:
                    yield Step("prefer", at, details=other)
            yield Step("source", at, next(ref), packs=tuple(packs))
            yield from self._decide(rng, model, at + HOURS, ref)
            at += 2 * HOURS

    def _limits(self, rng: random.Random) -> dict[str, Any]:
        preferences: dict[str, Any] = {"adopt": rng.random() < 0.4}
        if rng.random() < 0.15:
            preferences["profile"] = "strict"
        limits = rng.choice(("default", "low", "high"))
        for name in DEFAULTS if limits != "default" else ():
            low = (rng.choice((5, 20, 40)), rng.choice((1, 2, 3)))
            preferences[f"limit.{name}"] = low if limits == "low" else (90, 15)
        return preferences

    def _other(self, rng: random.Random, at: dt.datetime, choice: Choice) -> dict[str, Any]:
        day = (at + dt.timedelta(days=rng.choice((0, 2)))).date()
        return rng.choice(
            [
                {"adopt": not choice.adopt},
                {"create_only_until": None if choice.create_only_until else day},
                {"removals_wait": not choice.removals_wait},
                {"raised": (100.0, rng.choice((None, day)))},
                {"teaching": rng.choice((("teacher",), ("teacher", "aide")))},
                {"scope": rng.choice(("users", "users_and_courses"))},
                {"profile": "strict" if choice.profile == "tolerant" else "tolerant"},
            ]
        )

    def _accounts(self, rng: random.Random, sis: Sis) -> list[dict[str, Any]]:
        staff = [row for row in sis.tables["users"].values() if row["role"] != "student"]
        some = rng.sample(staff, 3)
        teacher = {"role": "teacher", "status": "active"}
        accounts = [{**teacher, "email": "coach@x.org"}]
        accounts.append({**teacher, "email": some[0]["email"].upper()})
        accounts.append({**teacher, "email": some[1]["email"], "status": "inactive"})
        near = {"given": some[2]["givenName"], "family": some[2]["familyName"]}
        accounts.append({**teacher, "email": "near@y.org", **near})
        return rng.sample(accounts, rng.randrange(len(accounts) + 1))

    def _package(
        self, rng: random.Random, sis: Sis, at: dt.datetime, spoilt: tuple[float, float], *,
        first: bool, plain: bool = False,
    ) -> tuple[Pack, str | None]:  # fmt: skip
        names = [n for n in sis.tables if n != "roles" or sis.version == "1.2"]
        modes = dict.fromkeys(names, "bulk")
        lone, scope = False, None
        draw = rng.random()
        if not first and sis.version != "1.0":
            if draw < 0.35:
                modes = dict.fromkeys(names, "delta")
                if rng.random() < 0.5:
                    modes = {n: m for n, m in modes.items() if rng.random() < 0.7}
            elif draw < 0.6:
                modes = {n: rng.choice(("bulk", "delta", "absent")) for n in names}
                modes = {n: mode for n, mode in modes.items() if mode != "absent"}
        if plain:
            pass
        elif not first and draw > 0.9:
            lone, modes = True, {rng.choice(("users", "courses")): "bulk"}
        elif not first and draw > 0.8:
            scope = "users"
        modes = modes or {"users": "bulk"}
        pack = sis.export(modes, at - HOURS, lone=lone)
        if rng.random() < 0.1 and not plain:
            sis.lack(pack)
        share, likely = spoilt
        if rng.random() < likely:
            sis.spoil(pack, share)
        return pack, scope

    def _decide(
        self, rng: random.Random, model: ModelSite, at: dt.datetime, ref: Iterator[int]
    ) -> Iterator[Step]:
        for number, run in list(model.runs.items()):
            draw = rng.random()
            if run.outcome == "held" and draw < 0.5:
                yield Step("approve" if draw < 0.4 else "discard", at, of=number)
            waits = run.why_withheld == "removals_wait" and run.applied
            if waits and draw < 0.3 and run.started > at - dt.timedelta(days=2):
                yield Step("removals", at + HOURS, next(ref), of=number)

    def _take_back(
        self, rng: random.Random, model: ModelSite, at: dt.datetime, ref: Iterator[int]
    ) -> Iterator[Step]:
        done = [n for n, run in model.runs.items() if run.applied and run.trace.changes]
        if not done:
            return
        of = done[-1] if rng.random() < 0.6 else rng.choice(done)
        part = Part(changed_too=rng.random() < 0.15)
        draw = rng.random()
        if draw < 0.3:
            part = Part(rng.choice(("user", "course", "assignment")), None, part.changed_too)
        elif draw < 0.45:
            kinds = [c for c in model.runs[of].trace.changes if c.kind != "assignment"]
            if kinds:
                chosen = rng.choice(kinds)
                part = Part(chosen.kind, chosen.after["sid"], part.changed_too)
        number = next(ref)
        yield Step("undo", at, number, of=of, part=part)
        yield from self._decide(rng, model, at + HOURS, ref)


def live(seed: int, days: int) -> list[Step]:
    """Take the steps of some days, and return them.

    Raises:
        DivergenceError: Model and site differ after the last of its `steps`.
    """
    pairing = Pairing()
    taken: list[Step] = []
    try:
        for step in Story(seed, days).steps(pairing):
            taken.append(step)
            pairing.take(step)
    except DivergenceError as error:
        error.steps = taken
        raise
    except Exception as error:
        wrong = DivergenceError([f"{type(error).__name__}: {error}"])
        wrong.steps = taken
        raise wrong from error
    finally:
        pairing.close()
    return taken
