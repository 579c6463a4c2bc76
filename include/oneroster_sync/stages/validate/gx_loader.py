"""Import Great Expectations without the parts that no suite here uses.

Great Expectations imports scipy.stats and altair at once, for expectations about distributions,
jsonschema for one expectation, and the libraries of every installed cloud: half of its import time.
The first three are imported on first access; the cloud libraries are hidden from it, because our
data is in memory.

Half of the remaining time was pydantic's deep copy of every field of every base class, for each of
380 models: 480,000 copies of types and validators that never change. Pydantic also wraps the same
few validators anew for each field.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import functools
import gc
import importlib
import importlib.util
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELDOM_USED = ("altair", "jsonschema", "scipy.stats")
_NEVER_USED = ("boto3", "botocore", "google.cloud", "azure", "pyathena", "pyspark")
_LOADING = threading.Lock()


class _Later(ModuleType):
    """Placeholder that imports a module on first access to an attribute."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        if "." not in name:
            # Libraries ask by the spec whether a module is installed: find_spec raises for None.
            self.__spec__ = importlib.util.find_spec(name)

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def load() -> None:
    """Import Great Expectations and register our own expectations.

    A lock lets a second thread wait for the first, so that the temporary patches apply once.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with _LOADING:
        _load()


def load_beside() -> None:
    """Start the import in a thread, while the main thread reads a package.

    An import that fails there fails again, with its error, where the library is needed. A process
    waits for the thread before it exits: an interpreter can't shut down cleanly during an import.
    """

    def work() -> None:
        with contextlib.suppress(Exception):
            load()

    if "great_expectations" not in sys.modules:
        threading.Thread(target=work, name="great-expectations").start()


def _load() -> None:
    if "great_expectations" not in sys.modules:
        # An interpreter that ends looks for cycles among all objects, several times. Half a million
        # belong to this library, and finding that nothing is left took as long as importing it.
        atexit.register(gc.freeze)
    for name in _SELDOM_USED:
        if name not in sys.modules:
            sys.modules[name] = _Later(name)
    with _absent(_NEVER_USED), _uncollected(), _models_made_quickly():
        from oneroster_sync.stages.validate import expectations, relations  # noqa: F401  registers them


@contextlib.contextmanager
def _models_made_quickly() -> Iterator[None]:
    """Make pydantic copy a model's inherited fields one level deep, and wrap each validator once.

    A model changes slots of its own fields (name, default, required, validators, sub-fields), so
    these are copied. It never changes a type, a validator or a default in place, so they are
    shared. The wrapper of a validator depends on its signature only, so fields share it too. A test
    compares the schemas and the validation of all expectations with those of a plain import. If a
    later pydantic has no such functions, nothing is patched.
    """
    try:
        main: Any = importlib.import_module("pydantic.v1.main")
        wrappers: Any = importlib.import_module("pydantic.v1.class_validators")
        from pydantic.v1.fields import ModelField
    except ImportError:  # Great Expectations no longer uses pydantic 1
        yield
        return
    copy_deeply = getattr(main, "smart_deepcopy", None)
    wrap = getattr(wrappers, "make_generic_validator", None)
    if copy_deeply is None or wrap is None:
        yield
        return

    def copied(value: Any) -> Any:
        if type(value) is dict and value and all(type(v) is ModelField for v in value.values()):
            return {name: _copy_of(field) for name, field in value.items()}
        return copy_deeply(value)

    main.smart_deepcopy = copied
    wrappers.make_generic_validator = functools.cache(wrap)
    try:
        yield
    finally:
        main.smart_deepcopy, wrappers.make_generic_validator = copy_deeply, wrap


def _copy_of(field: Any) -> Any:
    """Return a copy of a field that shares all parts that no model changes."""
    made = copy.copy(field)
    made.field_info = copy.copy(field.field_info)
    if field.sub_fields:
        made.sub_fields = [_copy_of(one) for one in field.sub_fields]
    if field.sub_fields_mapping:
        made.sub_fields_mapping = {n: _copy_of(f) for n, f in field.sub_fields_mapping.items()}
    if field.key_field:
        made.key_field = _copy_of(field.key_field)
    if field.class_validators:
        made.class_validators = dict(field.class_validators)
    for name in ("pre_validators", "post_validators", "validators"):
        if getattr(field, name, None):
            setattr(made, name, list(getattr(field, name)))
    return made


@contextlib.contextmanager
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """Make modules that are not loaded look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` raise
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from examining 400,000 permanent objects ten times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
