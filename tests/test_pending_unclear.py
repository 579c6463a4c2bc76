"""Pending rows that may be a pupil's: a hash of the sourcedId is stored, and finds the record."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from golden.school import SCHOOL_1_2, as_delta
from test_pending import DAY, extracted_only

if TYPE_CHECKING:
    from conftest import Site

pytestmark = pytest.mark.case("b45")


def stored(site: Site) -> str:
    """Return all values of the pending deltas, as one text."""
    query = "select rows from pending_deltas where site = :site and rows is not null"
    tables = [pq.read_table(io.BytesIO(data)).to_pylist() for (data,) in site.rows(query)]
    return str(tables)


STAMP = f"active,{DAY.format(3)}"
MAYBE_PUPILS = {
    "roles": [
        f"r-zq-eve,{STAMP},zq-eve,primary,wizard,,,s,",
        f"r-ann,{STAMP},ann,primary,wizard,,,s,",
        f"zq-cut,{STAMP},zq-cut",
    ],
    "users": [f"zq-eve,{STAMP},true,eve,,Zqeve,Orr,,,zq-eve@example.org" + "," * 11],
    "enrollments": [f"zq-e1,{STAMP},m1,s,zq-eve,wizard,,,"],
}
"""A delta of 1.2 about a person who may be a pupil, and about Ann, whose role is unreadable."""


def test_rows_that_may_be_a_pupils_are_pending_without_their_ids(site: Site) -> None:
    """A sourcedId that may be a pupil's is a hash in the pending delta and in each finding."""
    site.sync(SCHOOL_1_2)
    run_id = extracted_only(site, as_delta(SCHOOL_1_2, **MAYBE_PUPILS))

    assert "zq" not in stored(site).lower()
    assert "'r-ann'" in stored(site)

    run = site.sync(as_delta(SCHOOL_1_2, orgs=[]))
    names = "select sourced_id, target from run_findings where run_id::text = any(:runs)"
    rows = site.rows(names, runs=[run_id, run["run_id"]])
    assert "zq" not in str(rows)
    assert ("r-ann", None) in rows
    assert (run["counts"]["users"]["errors"], run["counts"]["assignments"]["errors"]) == (3, 1)


def test_pending_row_that_may_be_a_pupils_is_replaced_by_a_later_row(site: Site) -> None:
    """The hash matches the sourcedId of a later row, which replaces the pending one."""
    site.sync(SCHOOL_1_2)
    extracted_only(site, as_delta(SCHOOL_1_2, **MAYBE_PUPILS))
    later = {
        name: [row.replace(DAY.format(3), DAY.format(4)).replace("wizard", "teacher") for row in of]
        for name, of in MAYBE_PUPILS.items()
    }
    later["roles"] = later["roles"][:2]

    run = site.sync(as_delta(SCHOOL_1_2, **later))

    assert (site.users()["zq-eve"], site.users()["ann"]) == ("active", "active")
    assert site.assignments()["zq-eve", "maths"] == "active"
    assert (run["counts"]["users"]["errors"], run["counts"]["assignments"]["errors"]) == (1, 0)


def test_later_row_of_a_user_whose_pending_role_cannot_be_read_is_blanked(site: Site) -> None:
    """A person with an unreadable role is no staff yet, so only a hash of the id is stored."""
    site.sync(SCHOOL_1_2)
    extracted_only(site, as_delta(SCHOOL_1_2, roles=MAYBE_PUPILS["roles"][:1]))
    extracted_only(site, as_delta(SCHOOL_1_2, users=MAYBE_PUPILS["users"]))

    assert "zq" not in stored(site).lower()
    run = site.sync(as_delta(SCHOOL_1_2, orgs=[]))
    assert "zq-eve" not in site.users()
    assert "reference.target_quarantined" in site.codes(run)
