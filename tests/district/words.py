"""Names, titles and sourcedIds as in real exports, unusual ones included."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

GIVEN_NAMES = (
    "Aisha", "Anne-Marie", "Björn", "Chloé", "Daniel", "Dmitri", "Fatima", "Grace", "Hiroshi",
    "Ingrid", "José", "Kwame", "Łucja", "Mary Jane", "Mateo", "NA", "Nguyên", "Olivia", "Priya",
    'Robert "Bobby"', "Siobhán", "True", "Wei", "Yusuf", "Zoë", "花子", "محمد", "Ελένη",
)  # fmt: skip
FAMILY_NAMES = (
    "Andersson", "Castillo", "D'Angelo", "Doe, Jr.", "García Márquez", "Haddad", "Ivanova",
    "Johnson", "Kaplan", "Lee", "Müller", "N/A", "Nguyễn", "Null", "O'Brien", "Okafor", "Patel",
    "Smith-Jones", "St. Clair", "Tanaka", "van der Berg", "Wójcik", "Yıldız", "髙橋", "𠮷田",  # noqa: RUF001  a name
    "None", "Ó Súilleabháin", "Zeta",
)  # fmt: skip
SUBJECTS = (
    "Algebra", "Art", "Biology", "Chemistry", 'Drama "On Stage"', "English, Honors", "Español",
    "Français", "Geography", "History & Civics", "Music", "Physics", "国語", "Writers' Workshop",
)  # fmt: skip
LEVELS = ("I", "II", "III", "AP", "KG", "07", "08")
GRADES = ("KG", "01", "02", "03", "07", "08", "09", "10", "11", "12")
SCHOOLS = ("Juniper", "Maple Grove", "Saint-Exupéry", "O'Connell", "Río Grande", "North, West")

ID_STYLES = ("uuid", "numeric", "spaced", "cased", "mixed")
"""Styles of sourcedIds: `numeric` has leading zeros and repeats between files, `spaced` has spaces,
commas and quotes, `cased` has ids that differ only by case, `mixed` has all of them."""

_SPACED = ("{kind} {n}", "{kind}/{n}, b", '"{n}", {kind}', "={n}+1;{kind}", "<{kind}>'{n}'")
_SPACED_IN_LISTS = ("{kind} {n}", "{kind}/{n}; b", "<{kind}>'{n}'")


def make_id(style: str, kind: str, number: int, *, in_lists: bool = False) -> str:
    """Return the sourcedId of the `number`-th record; the same arguments give the same id.

    Two numbers never give the same id within a kind. With `in_lists` the id has no comma, because a
    OneRoster list could not carry it.
    """
    if style == "mixed":
        style = ("uuid", "numeric", "spaced", "cased")[(number // 2) % 4]
    if style == "uuid":
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{number}"))
    if style == "numeric":
        return f"{number:07d}"
    if style == "cased":
        text = f"{kind[:2]}-{number // 2:03d}-x"
        return text.upper() if number % 2 else text.lower()
    if style == "spaced":
        forms = _SPACED_IN_LISTS if in_lists else _SPACED
        return forms[number % len(forms)].format(kind=kind, n=number)
    raise ValueError(f"unknown style of ids {style!r}; known are {', '.join(ID_STYLES)}")


def make_email(given_name: str, family_name: str, number: int) -> str:
    """Return an address that is unique for the number, with the name in it if the name is ASCII."""
    name = f"{given_name}.{family_name}".replace(" ", "").replace(",", "").replace('"', "")
    name = name.replace("..", ".").replace("/", "").strip(".")
    if not name.isascii():
        name = "staff"
    if number % 5:
        name = name.lower()
    return f"{name}{number}@district.example.org"


def make_name(rng: random.Random) -> tuple[str, str]:
    """Draw a given name and a family name at random."""
    return rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES)
