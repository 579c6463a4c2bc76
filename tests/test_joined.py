"""The pages' modules as one: all of them, each once, and nothing that would be asked for later."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from oneroster_airflow.ui import FOLDER, bundle
from oneroster_airflow.ui_bundle import JoinError, joined

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, **modules: str) -> Path:
    """Write modules into a folder."""
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source)
    return folder


def test_every_module_is_there_once() -> None:
    """What Airflow loads holds every file of the pages, each behind those that it imports."""
    held = re.findall(r'^\$modules\["(.+)"\] =', bundle(), re.MULTILINE)
    assert sorted(held) == sorted(p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*.js"))
    assert held[-1] == "main.js"


def test_nothing_is_left_to_be_asked_for() -> None:
    """No import and no export remains, and every name comes from a module that stands before."""
    text = bundle()
    assert not re.search(r"^(import|export)\b|\bimport\(", text, re.MULTILINE)
    made: set[str] = set()
    for line in text.splitlines():
        if taken := re.search(r'= \$modules\["(.+)"\];$', line):
            assert taken[1] in made, line
        if begun := re.match(r'\$modules\["(.+)"\] = ', line):
            made.add(begun[1])


def test_names_are_handed_on(tmp_path: Path) -> None:
    """A name may be imported as another, exported as it is declared, or passed on."""
    folder = written(
        tmp_path,
        main='import { one as first, Two } from "./b.js";\nfirst(Two);',
        b='export { one } from "./c.js";\nexport class Two {}\nexport const three = 3;',
        c="export async function one() {}\nfunction own() {}",
    )
    text = joined(folder, "main.js")
    assert 'const { one: first, Two } = $modules["b.js"];' in text
    assert 'const { one } = $modules["c.js"];' in text
    assert "return { one, Two, three };" in text
    assert "return { one };" in text


@pytest.mark.parametrize(
    "source",
    [
        'import all from "./b.js";',
        'import * as all from "./b.js";',
        'import "./b.js";',
        'import { far } from "https://example.org/b.js";',
        "export default function () {}",
        'const later = () => import("./b.js");',
    ],
)
def test_what_can_not_be_joined_is_refused(tmp_path: Path, source: str) -> None:
    """A module that imports or exports in another way is named, and not joined by halves."""
    folder = written(tmp_path, main='import { a } from "./a.js";', a=source, b="")
    with pytest.raises(JoinError, match=r"a\.js can't be joined"):
        joined(folder, "main.js")


def test_circle_is_refused(tmp_path: Path) -> None:
    """Two modules that import each other have no order, and are named."""
    folder = written(
        tmp_path, main='import { b } from "./a.js";', a='import { b } from "./main.js";'
    )
    with pytest.raises(JoinError, match=r"main\.js imports itself by way of a\.js"):
        joined(folder, "main.js")
