"""What a registration says, in the forms in which two of them are compared.

Nothing here refuses a person for what is missing or wrong: a number that is not his own, a name
that is none and a date that does not exist simply do not count.
"""

import re
from datetime import date
from functools import lru_cache
from sys import intern

import msgspec
from pypinyin import lazy_pinyin

from service.person.identity.documents import CITIZEN_ID, id_type_of
from service.person.identity.names import match_key
from service.person.identity.registrations import (
    SEXES,
    Declared,
    Guardian,
    TypedNumber,
    Whose,
    type_number,
)
from service.person.identity.texts import bare

FIELD_MAX = 1000
"""Characters of any field that count: a longer one is cut, never refused."""
EVERYWHERE = frozenset(f"{number:02d}" for number in range(100))
"""Any region code: a number that passes its check digit tells one person from another wherever it
was given."""
LOST = "?？*＊□\ufffd"
_NEWBORN = re.compile(
    r"(?P<parent>.{2,20}?)(?:之(?P<place>[长次三大小幼]?)(?P<sex>[子女])|之?(?P<twin>[大小])(?:双|宝|毛))"
    r"(?P<rest>[大小甲乙一二]?)$"
)
_UNKNOWN = re.compile(r"^(?:无名|未知|不详|未命名|待定|佚名|某)")
_SAY_NOTHING = re.compile(r"[\s·•．・.’'‧∙⋅,，-]+")
_WORD = re.compile(r"[A-Z0-9]+")
_ADDRESS = re.compile(r"[\s省市区县镇乡街道路号栋幢楼室单元村组之#\-—,，.()（）]+")
_COMPOUND = frozenset(
    first + second
    for first, second in zip(
        "欧司上诸东皇尉慕令宇长司独端南轩", "阳马官葛方甫迟容狐文孙徒孤木宫辕", strict=True
    )
)
"""Surnames of two characters."""


class Traits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One registration. Empty texts: not known."""

    key: str
    """The registration's id."""
    source: str
    own: str
    """The person's own number with its kind: ``01:990101…``."""
    typed: str
    """The number as typed, where it is malformed."""
    guardian: str
    """The number of whoever answers for the person, or lent his."""
    lent: str
    """With its kind, the number that contradicts what was registered: another's, or his own with a
    slip in the date."""
    sex: str
    born: str
    """``YYYYMMDD``, as registered, else as the own number says."""
    name: str
    """Without blanks and dots, capitals; of a placeholder nothing."""
    sound: str
    """Its toneless syllables; a lost character sounds like ``?``."""
    family: str
    words: str
    """Of a name in Latin letters: its words, sorted."""
    parent: str
    """Of a newborn without a name: the parent's."""
    order: str
    """Of one of several born on a day: which."""
    former: str
    guardian_name: str
    phone: str
    address: str
    local: str
    """Facility and the number there."""

    @property
    def near(self) -> str:
        """The digits of his number, for those that slipped."""
        return self.typed or self.own[3:]

    def __repr__(self) -> str:
        return f"Traits({self.key!r})"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A registration as it is sent; missing or empty means unknown."""

    id: str
    source: str | None = None
    id_type: str | None = None
    id_no: str | None = None
    name: str | None = None
    sex: str | None = None
    birth_date: str | None = None
    phone: str | None = None
    address: str | None = None
    facility: str | None = None
    local_id: str | None = None
    nationality: str | None = None
    ethnicity: str | None = None
    former_name: str | None = None
    guardian_name: str | None = None
    guardian_id: str | None = None
    contact_name: str | None = None
    time: str | None = None

    def __repr__(self) -> str:
        return f"Line({self.id!r})"


def traits_of(line: Line, today: date) -> Traits:
    """Type one registration."""
    sex = _sex(line)
    said = date_of(line.birth_date or "")
    typed = number_of(line, today)
    is_own = typed.whose in (Whose.OWN, Whose.OLD)
    kind = id_type_of(_cut(line.id_type) or CITIZEN_ID)
    own = f"{kind}:{typed.number}" if is_own else ""
    malformed = typed.whose is Whose.MALFORMED
    born = _day(said) if said else ""
    if is_own and kind == CITIZEN_ID and len(typed.number) == 18:
        born = born or typed.number[6:14]
        if sex == "U":
            sex = "M" if int(typed.number[16]) % 2 else "F"
    lent = typed.number if typed.whose in (Whose.GUARDIAN, Whose.BORROWED) else ""
    name = _name(line.name)
    return Traits(
        key=line.id,
        source=intern(line.source or ""),
        own=own,
        typed=bare(_cut(line.id_no))[0].upper() if malformed else "",
        guardian=_number(_cut(line.guardian_id)) or lent,
        lent=f"{kind}:{lent}" if lent else "",
        sex=name.sex or sex if sex == "U" else sex,
        born=born,
        name=name.text,
        sound=name.sound,
        family=name.family,
        words=name.words,
        parent=name.parent,
        order=name.order,
        former=_name(line.former_name).text,
        guardian_name=name.parent or _name(line.guardian_name).text,
        phone=phone_of(_cut(line.phone)),
        address=address_of(_cut(line.address)),
        local=f"{_cut(line.facility)}:{_cut(line.local_id)}" if line.local_id else "",
    )


def number_of(line: Line, today: date) -> TypedNumber:
    """The number of a registration, and whose it is by what the registration says itself."""
    guardian_no = _cut(line.guardian_id)
    return type_number(
        Declared(
            id_type=_cut(line.id_type) or CITIZEN_ID,
            id_no=_cut(line.id_no),
            gender=_sex(line),
            birth_date=date_of(line.birth_date or ""),
            guardian=Guardian(id_no=guardian_no) if guardian_no else None,
        ),
        today,
        EVERYWHERE,
    )


def _sex(line: Line) -> str:
    return SEXES.get((line.sex or "U").strip().upper(), "U")


def _cut(text: str | None) -> str:
    return (text or "")[:FIELD_MAX].strip()


class _Name(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    text: str = ""
    sound: str = ""
    family: str = ""
    words: str = ""
    parent: str = ""
    order: str = ""
    sex: str = ""


_NOTHING = _Name()


@lru_cache(maxsize=200_000)
def _name(text: str | None) -> _Name:
    kept = match_key(_cut(text)[:100])
    bare_name = _SAY_NOTHING.sub("", kept)
    if not bare_name or _UNKNOWN.match(bare_name):
        return _NOTHING
    newborn = _NEWBORN.fullmatch(bare_name)
    if newborn is not None:
        order = newborn["place"] or newborn["twin"] or newborn["rest"] or ""
        sex = {"子": "M", "女": "F"}.get(newborn["sex"] or "", "")
        return _Name(parent=newborn["parent"], order=_ORDERS.get(order, order), sex=sex)
    if kept.isascii():
        words = " ".join(sorted(part for part in _SAY_NOTHING.split(kept) if part))
        return _Name(text=bare_name, sound=bare_name, words=words, family="")
    cut = 2 if bare_name[:2] in _COMPOUND and len(bare_name) > 2 else 1
    sound = " ".join(_sound(character) for character in bare_name)
    return _Name(text=bare_name, sound=sound, family=bare_name[:cut])


_ORDERS = {"长": "1", "大": "1", "甲": "1", "一": "1", "次": "2", "小": "2", "乙": "2", "二": "2"}


@lru_cache(maxsize=20_000)
def _sound(character: str) -> str:
    if character in LOST or "\ue000" <= character <= "\uf8ff":
        return "?"
    return str(lazy_pinyin(character)[0])


@lru_cache(maxsize=100_000)
def _day(day: date) -> str:
    return f"{day:%Y%m%d}".zfill(8)


@lru_cache(maxsize=100_000)
def date_of(text: str) -> date | None:
    """A date as it is written in files; None for none and for what is no date."""
    digits = re.sub(r"[^0-9]", "", text[:10]) if "T" not in text else text[:10].replace("-", "")
    if len(digits) != 8:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def phone_of(text: str) -> str:
    """Eleven digits of a mobile phone, or a land line's; empty for what cannot be one."""
    digits = re.sub(r"[^0-9]", "", bare(text)[0])
    digits = digits.removeprefix("86") if len(digits) == 13 else digits
    useless = len(digits) < 7 or len(set(digits[-8:])) <= 2 or digits in "01234567890123456789"
    return "" if useless else digits[-11:]


def address_of(text: str) -> str:
    """Without the words for street, house and flat; the end, which tells houses apart. In Latin
    letters all of its words, in capitals."""
    if text.isascii():
        return " ".join(_WORD.findall(text.upper()))[:100]
    return _ADDRESS.sub("", text)[-24:]


def _number(text: str) -> str:
    return bare(text)[0].upper()
