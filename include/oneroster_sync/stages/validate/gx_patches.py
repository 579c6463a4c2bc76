"""Make Great Expectations do repeated work once while it judges a package.

For a small package, judging takes most of the time, and most of that is repetition: an expectation
looks up its fields 140 times, a metric's configuration is hashed eight times, and each page of the
Data Docs compiles its templates again. The inputs do not change meanwhile, and the results are the
same (tests/test_suites.py).
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

# Types whose repr is the whole value, so that it can be a key of the cache.
_PLAIN = (str, int, float, bool, type(None), list, dict)


@contextlib.contextmanager
def described_once() -> Iterator[None]:
    """Within the block, compute each expectation's configuration once and share it.

    Sharing is safe where nobody changes a configuration, as when our own metrics decide.
    """
    original: property = Expectation.configuration
    cache: dict[int, tuple[Expectation, ExpectationConfiguration]] = {}

    def configuration(self: Expectation) -> ExpectationConfiguration:
        if id(self) not in cache:  # the cache keeps the expectation, so its id is not reused
            cache[id(self)] = self, original.__get__(self)
        return cache[id(self)][1]

    Expectation.configuration = property(configuration)
    try:
        yield
    finally:
        Expectation.configuration = original


@contextlib.contextmanager
def once() -> Iterator[None]:
    """Within the block, compute configurations, hashes and templates only once."""
    originals = Expectation.configuration, IDDict.to_id, view.Environment
    Expectation.configuration = _described_once(originals[0])
    IDDict.to_id = _hashed_once(originals[1])
    view.Environment = functools.partial(jinja2.Environment, bytecode_cache=_TEMPLATES)
    try:
        yield
    finally:
        Expectation.configuration, IDDict.to_id, view.Environment = originals


def _described_once(original: property) -> property:
    """Return a property that returns a new configuration each time, but reads the fields once."""
    cache: dict[int, tuple[Expectation, ExpectationConfiguration]] = {}

    def configuration(self: Expectation) -> ExpectationConfiguration:
        if id(self) not in cache:
            cache[id(self)] = self, original.__get__(self)
        known = cache[id(self)][1]
        return ExpectationConfiguration(
            type=known.type,
            # A copy: Great Expectations adds the batch's id to the arguments (`Validator`, 1.24).
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
    """Return a `to_id` that hashes a configuration of plain values only the first time."""
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
    """Cache of compiled templates for the lifetime of the process."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a template's bucket if the template was compiled before."""
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Store a compiled template."""
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = _Templates()
