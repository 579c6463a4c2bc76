"""Great Expectations, loaded without what no suite here asks for.

It imports scipy.stats and altair at once, for expectations about distributions, and the libraries
of every cloud that is installed. They are half of what importing it takes. The first two are loaded
when something asks for them; the clouds are not there for it at all, since our data is in memory.

Half of the rest was pydantic's deep copy of every field of every base class, made anew for each of
380 models: 480,000 copies of types and validators that nothing ever changes.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import importlib
import os
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELDOM_USED = ("altair", "scipy.stats")
_NEVER_USED = ("boto3", "botocore", "google.cloud", "azure", "pyspark")
_LOADING = threading.Lock()


class _Later(ModuleType):
    """Stands for a module until something of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def load() -> None:
    """Import Great Expectations and register the expectations of our own.

    A second thread waits for the first: what is patched meanwhile is patched once.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with _LOADING:
        _load()


def load_beside() -> None:
    """Begin to load in a thread of its own, while somebody reads a package on the other processor.

    What fails there fails again, and is told, where the library is needed. A process waits for the
    thread before it ends: in the middle of an import no interpreter shuts down well.
    """

    def work() -> None:
        with contextlib.suppress(Exception):
            load()

    if "great_expectations" not in sys.modules:
        threading.Thread(target=work, name="great-expectations").start()


def _load() -> None:
    for name in _SELDOM_USED:
        sys.modules.setdefault(name, _Later(name))
    with _absent(_NEVER_USED), _uncollected(), _fields_copied_one_level():
        from oneroster_sync.stages.validate import expectations, relations  # noqa: F401  registers them


@contextlib.contextmanager
def _fields_copied_one_level() -> Iterator[None]:
    """Have pydantic copy the fields that a model inherits, and not all that hangs from them.

    A model changes its own fields' slots (name, default, required, validators, sub-fields), which
    are copied. It never changes a type, a validator or a default in place, so they are shared. A
    test holds the schemas and the validation of all expectations against those of a plain import.
    Where a later pydantic works otherwise the function is not found, and nothing is patched.
    """
    try:
        main: Any = importlib.import_module("pydantic.v1.main")
        from pydantic.v1.fields import ModelField
    except ImportError:  # Great Expectations has moved on from pydantic 1
        yield
        return
    original = getattr(main, "smart_deepcopy", None)
    if original is None:
        yield
        return

    def copied(value: Any) -> Any:
        if type(value) is dict and value and all(type(v) is ModelField for v in value.values()):
            return {name: _copy_of(field) for name, field in value.items()}
        return original(value)

    main.smart_deepcopy = copied
    try:
        yield
    finally:
        main.smart_deepcopy = original


def _copy_of(field: Any) -> Any:
    """Return a copy of a field that shares with it what no model changes."""
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
    """Let modules that are not loaded look as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # not to be found
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Spare the garbage collector what stays for good: 400,000 objects, looked at ten times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
