"""What Great Expectations does again and again while it judges a package, done once.

Of a small package, it is judging itself that takes the time, and most of that is the same work: an
expectation looks up its fields 140 times, the description of a metric is hashed eight times, and
each page of the Data Docs compiles its templates anew. Nothing of it changes meanwhile, and what
comes out is the same (tests/test_suites.py).
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import jinja2

from oneroster_sync.stages.validate.gx_internals import (
    Expectation,
    ExpectationConfiguration,
    IDDict,
    view,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from great_expectations.core.id_dict import IDDictID
    from jinja2.bccache import Bucket

_PLAIN = (str, int, float, bool, type(None), list, dict)


@contextlib.contextmanager
def described_once() -> Iterator[None]:
    """Let each expectation describe itself once: all who ask inside get the same description.

    That is right where nobody changes a description, as in the deciding by metrics of our own.
    """
    original: property = Expectation.configuration
    cache: dict[int, tuple[Expectation, ExpectationConfiguration]] = {}

    def configuration(self: Expectation) -> ExpectationConfiguration:
        if id(self) not in cache:  # the expectation is kept, so that its id stays its own
            cache[id(self)] = self, original.__get__(self)
        return cache[id(self)][1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = original


@contextlib.contextmanager
def once() -> Iterator[None]:
    """Let what is judged inside be described, hashed and laid out without repetition."""
    originals = Expectation.configuration, IDDict.to_id, view.Environment
    Expectation.configuration = _described_once(originals[0])
    IDDict.to_id = _hashed_once(originals[1])
    view.Environment = functools.partial(jinja2.Environment, bytecode_cache=_TEMPLATES)
    try:
        yield
    finally:
        Expectation.configuration, IDDict.to_id, view.Environment = originals


def _described_once(original: property) -> property:
    """Return what gives each asker a description of its own, from one look at the fields."""
    cache: dict[int, tuple[Expectation, ExpectationConfiguration]] = {}

    def configuration(self: Expectation) -> ExpectationConfiguration:
        if id(self) not in cache:
            cache[id(self)] = self, original.__get__(self)
        known = cache[id(self)][1]
        return ExpectationConfiguration(
            type=known.type,
            kwargs=dict(known.kwargs),
            meta=known.meta,
            notes=known.notes,
            description=known.description,
            severity=known.severity,
            id=known.id,
            rendered_content=known.rendered_content,
        )

    return property(configuration)


def _hashed_once(original: Any) -> Any:
    """Return what hashes a description of plain values the first time that it meets it."""
    cache: dict[tuple[type, str], IDDictID] = {}

    def to_id(self: IDDict, *keys: Any, **more: Any) -> IDDictID:
        if keys or more or not all(type(value) in _PLAIN for value in self.values()):
            return original(self, *keys, **more)
        key = type(self), repr(self)
        if key not in cache:
            cache[key] = original(self)
        return cache[key]

    return to_id


class _Templates(jinja2.BytecodeCache):
    """Keeps compiled templates for as long as the process lives."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a template's bucket, if it was compiled before."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = _Templates()
