"""A district's days on the site's own schedule, synced by the real pipeline.

The truth changes by day, the SIS exports in the evening, the sync reads in the night, the office
decides in the morning, and the watch checks the result.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from district import STYLES, bulk_package, delta_package, plant_faults
from district.write import PLAIN, zip_bytes
from oneroster_sync.runs import Outcome
from oneroster_sync.sites import schedule
from year import mishaps, office
from year.doors import Doors
from year.entries import NONE, TAKEN, Desk
from year.life import Life
from year.sis import Sis
from year.tally import Tally
from year.truth import make_truth
from year.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Site
    from district import District, Package
    from oneroster_sync.runs import Run
    from oneroster_sync.sites.preferences import Preferences
    from year.entries import Agenda

BAD_DAYS = 0.35
"""The share of days on which one row in a hundred or two hundred is bad."""
_BAD_ROWS = (0.005, 0.01)
_MANY_ERRORS = frozenset({"guard.error_rate"})
"""More than one row in a hundred may depend on bad rows."""
_DAY = dt.timedelta(days=1)


class WrongError(AssertionError):
    """A result is wrong; the message lists the differences."""


class Simulation:
    """One site and one district, from the first sync to the last.

    Attributes:
        share_of_bad_days: See `BAD_DAYS`.
        deltas: Whether the SIS sends deltas instead of bulk files.
        last_year: The last package of the school year before.
        remembered: Values that one event stores for a later one.
    """

    def __init__(self, site: Site, agenda: Agenda, seed: int) -> None:
        """Make the district and the site; one seed gives one year."""
        self.agenda = agenda
        self.rng = random.Random(seed)
        self.tally = Tally(seed, days=(agenda.last_on - agenda.first_on).days + 1)
        self.life = Life(make_truth(self.rng), self.rng)
        self.sis = Sis(self.life.truth, "", "1.1")
        self.doors = Doors(
            site, self.tally, dt.datetime.combine(agenda.first_on, dt.time(), dt.UTC)
        )
        self.share_of_bad_days = BAD_DAYS
        self.deltas = False
        self.last_year = self._last_year()
        self.remembered: dict[str, Any] = {}
        self.watch = self._watch(site)
        self.doors.save(source=str(self.doors.drop), **agenda.settings)
        self._sent: District | None = None
        self._taken_on = agenda.first_on
        self._lived_to = agenda.first_on - _DAY
        self._month = 0

    def run(self) -> Tally:
        """Simulate the whole calendar.

        Raises:
            WrongError: A result of a day is wrong.
        """
        for number, slot in enumerate(self._slots(), start=1):
            day = slot.date()
            self.doors.now = slot
            self.doors.expire_due()
            run, clean = self._sync(slot)
            self.doors.now = slot.replace(hour=9)
            run = self._decide(run, day, clean=clean)
            self.check(day, run)
            if clean and run.outcome in TAKEN and run.withheld is None:
                self._taken_on = day
                self.note(self.watch.differences(self.sis.export(day - _DAY)), day)
                if number % self.agenda.again_every == 0:
                    self._bring_again(day)
            self.doors.now = slot.replace(hour=12)
            for happening in self.agenda.afterwards.get(day, ()):
                happening(self, day)
                self.check(day)
        self.tally.became = self.doors.became()
        return self.tally

    # For events and mishaps

    def put(self, package: Package) -> Path:
        """Put a package into the source, in one of the layouts."""
        style = PLAIN if self.deltas else self.rng.choice(STYLES)
        name = f"OneRoster-{self.doors.now:%Y-%m-%d}.zip"
        return self.doors.put(name, zip_bytes(package, style))

    def change_sis(self, name: str, version: str) -> None:
        """Install another SIS with the same records and other sourcedIds."""
        self.sis = Sis(self.life.truth, name, version, year=self.sis.year)
        self.watch.systems.append(self.sis)

    def check(self, day: dt.date, run: Run | None = None) -> None:
        """Fail if the roster, or a run's counts, are wrong.

        Raises:
            WrongError: They are.
        """
        wrong = self.watch.wrongs(day)
        self.tally.deactivations += sum("is inactive" in line for line in wrong)
        self.tally.no_login = max(self.tally.no_login, self.watch.without_login())
        if run is not None and run.applied_at is not None:
            wrong += self.watch.miscounted(run)
        self.note(wrong, day)

    def note(self, wrong: list[str], day: dt.date) -> None:
        """Fail if there are differences.

        Raises:
            WrongError: There are.
        """
        if wrong:
            self.tally.wrong += [f"{day}: {line}" for line in wrong]
            raise WrongError(f"seed {self.tally.seed}, {day}:\n" + "\n".join(wrong))

    # The slots, one after the other

    def _slots(self) -> Iterator[dt.datetime]:
        """Yield the slots of the site's own schedule, and simulate the days between them."""
        at = self.doors.now
        while True:
            chosen = self.doors.preferences()
            slot = schedule.next_slot(chosen, at)
            assert slot is not None
            while self._lived_to < min(slot.date(), self.agenda.last_on) - _DAY:
                self._live(self._lived_to + _DAY)
            if self.doors.preferences() != chosen:
                continue  # preferences saved in between apply at once
            self._expect_skipped(chosen, at.date(), slot.date())
            if slot.date() > self.agenda.last_on:
                return
            assert schedule.skip_slot(chosen, slot, now=slot + dt.timedelta(minutes=1)) is None
            yield slot
            at = slot

    def _live(self, day: dt.date) -> None:
        self._lived_to = day
        self.life.live(day)
        self.doors.now = dt.datetime.combine(day, dt.time(20), dt.UTC)
        for happening in self.agenda.happens.get(day, ()):
            happening(self, day)

    def _expect_skipped(self, chosen: Preferences, after: dt.date, before: dt.date) -> None:
        """Check that no sync is due on the days between two slots."""
        for number in range(1, (before - after).days):
            moment = dt.datetime.combine(after + number * _DAY, chosen.time_utc, dt.UTC)
            skip = schedule.skip_slot(chosen, moment, now=moment)
            assert skip is not None, f"{moment} has no slot, although a sync is due"
            self.tally.paused += skip.cause is schedule.SkipCause.PAUSED

    def _sync(self, slot: dt.datetime) -> tuple[Run, bool]:
        """Export and sync; return the run and whether all rows of the package are good."""
        day, clean = slot.date(), False
        mishap = self.agenda.mishaps.get(day)
        district = self.sis.export(day - _DAY)
        if mishap is None:
            clean = self._send(district)
        else:
            mishap.deliver(self, district)
            self.tally.mishaps[mishap.name] += 1
        run = self.doors.scheduled(by_itself=self.deltas or slot.month != self._month)
        self._month = slot.month
        if mishap is not None:
            self._expect(run, day, mishap.ends, mishap.codes)
        elif day in self.agenda.held:
            self._expect(run, day, frozenset({Outcome.HELD}), self.agenda.held[day])
        else:
            may_be = self.agenda.may_be_held.get(day, NONE) | (NONE if clean else _MANY_ERRORS)
            self._expect(run, day, TAKEN, may_be=may_be)
        return run, clean

    def _send(self, district: District) -> bool:
        """Put the day's package into the source; return whether all its rows are good."""
        before, self._sent = self._sent, district
        package = bulk_package(district, self.sis.version)
        if self.deltas and before is not None:
            users = replace(package.tables["users"], rows=(), mode="delta")
            package = delta_package(before, district, self.sis.version)
            package = replace(package, tables=package.tables or {"users": users})
            self.put(package)
            return True
        clean = self.rng.random() >= self.share_of_bad_days or before is None
        clean |= self.doors.now.date() in {*self.agenda.held, *self.agenda.may_be_held}
        if not clean:
            package = mishaps.without_address(package, self.rng)
            share = self.rng.choice(_BAD_ROWS)
            package, faults = plant_faults(package, self.rng, share=share)
            self.tally.bad_rows += len(faults) + 1
        self.put(package)
        return clean

    def _expect(
        self,
        run: Run,
        day: dt.date,
        ends: frozenset[Outcome],
        codes: frozenset[str] = NONE,
        *,
        may_be: frozenset[str] = NONE,
    ) -> None:
        """Check the first outcome of a run; it may be held for the codes of `may_be`."""
        found = self.doors.codes(run)
        if run.outcome is Outcome.HELD and found <= may_be:
            return
        if run.outcome not in ends:
            self.note([f"ended {run.outcome}, not {sorted(ends)}: {run.reasons}"], day)
        if codes and not found & codes:
            self.note([f"ended for {sorted(found)}, not {sorted(codes)}"], day)

    def _decide(self, run: Run, day: dt.date, *, clean: bool) -> Run:
        """Let the office decide about a held plan; a good package is never discarded."""
        mishap = self.agenda.mishaps.get(day)
        run = self.doors.what_waits(run) or run
        if mishap and mishap.waits:
            self._expect(run, day, frozenset({Outcome.HELD}), mishap.waits)
        desk = mishap.desk if mishap else Desk.RULES
        if run.outcome is not Outcome.HELD or desk is Desk.NOBODY:
            return run
        verdict = office.judge(run, self.life.news, since=self._taken_on, today=day)
        approves = verdict.approves or desk is Desk.MISTAKEN
        if clean and not approves:
            self.note([f"a good package would be discarded: {verdict.reason}"], day)
        run = self.doors.decide(run, verdict.reason, approves=approves)
        if desk is Desk.MISTAKEN:
            self.tally.by_mistake += self.watch.excuse(day)
        return run

    def _bring_again(self, day: dt.date) -> None:
        """Check that the same package again changes nothing."""
        self.doors.now += dt.timedelta(minutes=30)
        run = self.doors.again()
        changes = [
            n
            for kind in (run.counts or {}).values()
            for w, n in kind.items()
            if w not in {"errors", "ignored"}
        ]
        if run.outcome not in TAKEN or any(changes):
            self.note([f"the same package again ended {run.outcome}"], day)

    # The beginning

    def _last_year(self) -> District:
        """Return last year's district, with other staff: some have left and some are new."""
        truth, day = self.life.truth, self.agenda.first_on - 110 * _DAY
        district = Sis(truth, "", "1.1", year=2025).export(day)
        for person in self.rng.sample(truth.teachers(), 4):
            self.life.leave(person, day)
        for school in self.rng.sample(list(truth.schools), 4):
            self.life.come(school, day)
        return district

    def _watch(self, site: Site) -> Watch:
        """Make two accounts by hand, one of a person whom the SIS knows, and start the watch."""
        by_hand = self.life.truth.teachers(0)[0]
        self.life.settled.add(by_hand.number)
        for email in (by_hand.email.upper(), "coach@district.example.org"):
            self.doors.make_account(email)
        return Watch(site, self.life.truth, [self.sis], frozenset({by_hand.number}))
