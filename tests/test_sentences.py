"""Sentences say in one line how a run ended, why, and who decided."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from oneroster_sync import runs
from oneroster_sync.runs import Outcome, Run, Trigger
from oneroster_sync.runs.summary import BY_SCHEDULE, format_changes, format_outcome, format_type
from oneroster_sync.sites.preferences import Preferences, Scope
from roster_of import SCHOOL, changed

if TYPE_CHECKING:
    from conftest import Site

COUNTS = {
    "users": {"added": 20, "deactivated": 3, "errors": 0, "ignored": 248},
    "courses": {"added": 1, "errors": 0},
    "assignments": {"removed": 1, "errors": 0},
}
DONE = "20 users added, 3 users deactivated, 1 course added, 1 course assignment removed"
NONE = {kind: dict.fromkeys(numbers, 0) for kind, numbers in COUNTS.items()}


def a_run(**values: Any) -> Run:
    """Return the record of a run."""
    return Run.opened(
        **{
            "run_id": "r",
            "site": "s",
            "trigger": Trigger.SCHEDULE,
            "requested_by": BY_SCHEDULE,
            "scope": Scope.USERS_AND_COURSES,
            "preferences": Preferences(site="s"),
            "started_at": dt.datetime(2026, 11, 24, tzinfo=dt.UTC),
            **values,
        }
    )


SKIPPED = "had errors and were skipped; their records are unchanged."


def ended(outcome: str, **values: Any) -> str:
    """Return the sentence of a run with this outcome."""
    return format_outcome(a_run(outcome=Outcome(outcome), **values))


def with_errors(errors: int) -> dict[str, dict[str, int]]:
    """Return counts with so many unusable rows."""
    return {**COUNTS, "users": {**COUNTS["users"], "errors": errors}}


def hold(code: str, kind: str, found: int, of: int) -> dict[str, Any]:
    """Return a hold as a run stores it."""
    return {"code": code, "kind": kind, "found": found, "of": of, "limit": "", "text": "text"}


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ({"outcome": "succeeded", "counts": COUNTS}, f"Applied: {DONE}."),
        (
            {"outcome": "succeeded_with_errors", "counts": with_errors(1)},
            f"Applied: {DONE}. 1 row had an error and was skipped; its record is unchanged.",
        ),
        (
            {"outcome": "succeeded_with_errors", "counts": with_errors(1234)},
            f"Applied: {DONE}. 1,234 rows {SKIPPED}",
        ),
        (
            {"outcome": "no_changes", "counts": NONE},
            "Nothing to do: the roster already matches the package.",
        ),
        (
            {"outcome": "rejected", "reasons": ("It is empty. Export it again.",)},
            "Rejected, nothing was changed. It is empty. Export it again.",
        ),
        (
            {"outcome": "rejected", "reasons": ("one.", "two.", "three.")},
            "Rejected, nothing was changed. One. 2 more errors are among the findings.",
        ),
        (
            {"outcome": "discarded", "decision": "discarded", "decided_by": "Ann"},
            "Discarded by Ann, nothing was changed.",
        ),
        (
            {"outcome": "discarded", "is_preview": True, "counts": COUNTS},
            f"Preview, nothing was changed. A sync would make these changes: {DONE}.",
        ),
        (
            {"outcome": "discarded", "reasons": ("nobody decided within 72 hours",)},
            "Discarded, nothing was changed: nobody decided within 72 hours.",
        ),
        (
            {"outcome": "failed", "reasons": ("no package is there", "nothing was changed")},
            "Failed, nothing was changed: no package is there.",
        ),
        (
            {"outcome": "superseded"},
            "Superseded, nothing was changed: another run changed the roster first.",
        ),
        (
            {"outcome": "failed", "reasons": ("the disk is full",)},
            "Failed, nothing was changed: the disk is full.",
        ),
        ({"outcome": "failed"}, "Failed, nothing was changed: the log says why."),
        ({"outcome": "skipped", "reasons": ("summer break",)}, "summer break."),
        ({"outcome": None}, "Under way."),
    ],
    ids=lambda value: str(value.get("outcome")) if isinstance(value, dict) else "",
)
def test_every_outcome_has_its_sentence(run: dict[str, Any], sentence: str) -> None:
    """Each outcome has a sentence with the effect on the roster and the reason."""
    outcome = run["outcome"]
    values = {name: value for name, value in run.items() if name != "outcome"}
    assert format_outcome(a_run(outcome=outcome and Outcome(outcome), **values)) == sentence


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_outcome_is_left_without_words(outcome: Outcome) -> None:
    """An ended run has a whole sentence, even if values of its record are missing."""
    sentence = format_outcome(a_run(outcome=outcome))
    assert sentence.endswith(".")
    assert "None" not in sentence
    assert "{" not in sentence
    assert sentence == sentence.strip()


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (hold("guard.removals", "users", 1600, 2000), "1,600 of 2,000 users would be deactivated"),
        (
            hold("guard.removals", "assignments", 6, 9),
            "6 of 9 course assignments would be removed",
        ),
        (
            hold("guard.error_rate", "users.csv", 30, 100),
            "30 of 100 rows of users.csv have errors",
        ),
        (
            hold("guard.empty_file", "users.csv", 0, 20),
            "users.csv has no rows: everything of its kind would be removed",
        ),
        (
            hold("guard.wrong_source", "courses", 1, 90),
            "only 1 of 90 known courses are in the package",
        ),
        (
            hold("guard.identity_shift", "users", 19, 20),
            "19 of 20 users would get another sourcedId",
        ),
        (
            hold("guard.school_removals", "users", 6, 9) | {"school": "Hill"},
            "6 of 9 users of Hill would be deactivated",
        ),
        (hold("guard.updates", "courses", 75, 90), "75 of 90 courses would be updated"),
        (
            hold("guard.other_year", "academicSessions.csv", 3, 3),
            "the package is of another school year",
        ),
        (
            hold("guard.look_alikes", "accounts", 2, 7),
            "2 of 7 accounts made by hand look like new people",
        ),
        (hold("guard.of_tomorrow", "users", 1, 2), "1 of 2 users"),
    ],
)
def test_held_run_shows_the_numbers(one: dict[str, Any], expected: str) -> None:
    """A held run shows the guard's numbers, without the code."""
    assert ended("held", holds=(one,)) == f"Held, nothing was changed: {expected}."


def test_held_run_shows_every_reason() -> None:
    """The sentence has all reasons of a held plan."""
    holds = (hold("guard.removals", "users", 6, 9), hold("guard.removals", "courses", 7, 9))
    text = ended("held", holds=holds)
    assert text.endswith(": 6 of 9 users would be deactivated; 7 of 9 courses would be removed.")


@pytest.mark.parametrize("outcome", ["succeeded", "succeeded_with_errors"])
def test_approved_run_names_who_approved(outcome: str) -> None:
    """The sentence of an approved run names the person."""
    text = ended(outcome, counts=COUNTS, decision="approved", decided_by="Ann")
    assert text.startswith("Applied after approval by Ann: 20 users added")


def test_approved_run_that_still_waits_says_so() -> None:
    """Between approval and apply, the sentence is about the approval, not the hold."""
    text = ended("held", decision="approved", decided_by="Ann", holds=())
    assert text == "Approved by Ann; it is about to be applied."


def test_plan_without_changes_changes_nothing() -> None:
    """A plan without changes says so, even with ignored rows or errors."""
    counts = {"users": {"added": 0, "errors": 3, "ignored": 40}}
    assert format_changes(counts) == format_changes(None) == format_changes({}) == "nothing"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "Users + courses, automated"),
        ({"requested_by": "ann"}, "Users + courses, started by hand"),
        ({"trigger": Trigger.UPLOAD, "scope": Scope.USERS}, "Users, manual upload"),
        ({"trigger": Trigger.UPLOAD, "scope": Scope.COURSES}, "Courses, manual upload"),
        ({"trigger": Trigger.COMMAND}, "Users + courses, command line"),
        ({"trigger": Trigger.UPLOAD, "undoes": "another"}, "Undo of a run"),
    ],
)
def test_type_says_what_was_processed_and_how(values: dict[str, Any], expected: str) -> None:
    """The type names what was processed, and whether the schedule or a person started it."""
    assert format_type(a_run(**values)) == expected


def test_sentences_of_real_runs(site: Site) -> None:
    """The records of real applied, held, discarded and rejected runs give their sentences."""

    def sentence(run: dict[str, Any]) -> str:
        return format_outcome(runs.find(run["run_id"]))

    site.command("preferences", "--set", 'guards={"users": {"cap": 0}}')
    first, again = site.sync(SCHOOL), site.sync(SCHOOL)
    held = site.sync(changed(SCHOOL, "users.csv", "bob,true", "bob,false"))
    empty = site.sync({"users.csv": ""})

    done = "3 users added, 2 courses added, 2 course assignments added"
    assert sentence(first) == f"Applied: {done}."
    assert sentence(again).startswith("Nothing to do")
    assert sentence(held) == "Held, nothing was changed: 1 of 3 users would be deactivated."
    assert sentence(empty) == (
        "Rejected, nothing was changed. The file is empty: not even a header (users.csv). "
        "The package is not used. Export it again, or call it absent in the manifest."
    )
    site.command("discard", held["run_id"])
    assert sentence(held).startswith("Discarded by ")
    assert sentence(held).endswith(" on the command line, nothing was changed.")
