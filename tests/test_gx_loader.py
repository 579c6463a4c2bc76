"""The faster import of Great Expectations gives the same library as a plain import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# These tests start the library twice, and only a new version of it can change their result.
pytestmark = pytest.mark.long

_PLAIN = "from oneroster_sync.stages.validate import expectations, relations"
_OURS = "from oneroster_sync.stages.validate import gx_loader; gx_loader.load()"
_DESCRIBE = """
import json, sys, warnings
warnings.simplefilter("ignore")
{load}
import great_expectations as gx
from great_expectations.expectations.expectation import Expectation
from pydantic.v1 import ValidationError


def of(cls):
    for one in cls.__subclasses__():
        yield one
        yield from of(one)


def described(field):
    return [
        field.name, field.alias, repr(field.outer_type_), repr(field.type_), field.required,
        repr(field.default), field.allow_none, field.shape, sorted(field.class_validators or {{}}),
        [getattr(v, "__qualname__", repr(v)) for v in field.validators or ()],
        [described(one) for one in field.sub_fields or ()],
    ]


def refused(cls):
    try:
        cls(column=["no", "text"], mostly=7, severity="odd", value_set=5, unknown=1)
    except ValidationError as error:
        return sorted((str(one["loc"]), one["type"]) for one in error.errors())
    except Exception as error:
        return type(error).__name__
    return "taken"


found = {{}}
for cls in {{*of(Expectation)}}:
    name = cls.__module__ + "." + cls.__qualname__
    found[name] = [
        json.loads(cls.schema_json()),
        [described(field) for field in cls.__fields__.values()],
        refused(cls),
    ]
json.dump(found, sys.stdout, sort_keys=True)
"""


def described(load: str) -> dict[str, Any]:
    """Return the definition of each expectation and what it refuses, after this kind of import."""
    ended = subprocess.run(
        [sys.executable, "-c", _DESCRIBE.format(load=load)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the expectations of a plain import and of our import."""
    return described(_PLAIN), described(_OURS)


def test_every_expectation_is_the_same(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """All expectations, ours included, have the same schema, fields, validators and refusals."""
    plain, ours = both
    assert len(plain) > 60
    assert any(name.startswith("oneroster_sync.") for name in plain)
    assert plain.keys() == ours.keys()
    for name, description in plain.items():
        assert ours[name] == description, name


def test_pydantic_copies_as_before_after_the_import() -> None:
    """After the import pydantic copies as before, so that other models are not affected."""
    code = (
        "from pydantic.v1 import main; before = main.smart_deepcopy\n"
        f"{_OURS}\n"
        "assert main.smart_deepcopy is before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_process_ends_without_looking_for_cycles_in_the_library() -> None:
    """After the last line of a program the collector finds a small part of the objects to examine.

    The two examinations at the end took as long as the import.
    """
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(before, len(gc.get_objects())))\n"  # runs after ours
        f"{_OURS}\n"
        "before = len(gc.get_objects())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    before, after = map(int, ended.stdout.split())
    assert before > 100_000
    assert after < before / 10
