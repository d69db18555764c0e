"""The keys under which two registrations of one person meet (master-index dossier 5).

None is over a single common value. A key that too many share stops giving candidates; the others
go on.
"""

from collections.abc import Iterator
from itertools import combinations

from service.person.matching.traits import Traits

CHILDREN_SINCE = "2012"
"""Of younger ones only the household may be known, as of a newborn without a name."""
NUMBER_LENGTH = 18
SHARED_MAX = 50
"""Registrations under one key: beyond it the key tells nobody apart."""
WORDS_MAX = 8
SHORT_WORD = 3
"""An address' words of so few letters tell no place."""


def keys_of(one: Traits) -> Iterator[tuple[int, str]]:
    """(kind, text) of each."""
    if one.own or one.lent:
        yield 1, one.own or one.lent
    if one.local:
        yield 5, one.local
    if len(one.near) == NUMBER_LENGTH:
        yield 9, f"a{one.near[:14]}"
        yield 9, f"s{one.near[6:17]}"
        yield 9, f"r{one.near[:6]}{one.near[10:17]}"
    if one.phone:
        yield from _phone_keys(one)
    if one.born:
        yield from _date_keys(one)
    if one.name and one.address:
        yield 15, f"{one.name}|{one.address}"
        yield 20, f"{one.sound}|{one.address[-8:]}"
    if one.name and one.guardian:
        yield 21, f"{one.name}|{one.guardian}"
    if one.address and one.address.isascii():
        yield from ((19, f"{a}|{b}") for a, b in combinations(_place_words(one.address), 2))
    if one.words:
        parts = [(word, number) for word in one.words.split() for number in _numbers(one.address)]
        yield from ((18, f"{word}|{number}") for word, number in parts)


def _phone_keys(one: Traits) -> Iterator[tuple[int, str]]:
    if one.born:
        yield 3, f"{one.phone}|{one.born}"
    if one.name:
        yield 4, f"{one.name}|{one.phone}"
        yield 14, f"{one.sound}|{one.phone}"


def _place_words(address: str) -> list[str]:
    """The words of an address that may tell a place: no short ones, but numbers."""
    words = {word for word in address.split() if len(word) > SHORT_WORD or word.isdigit()}
    return sorted(words)[:WORDS_MAX]


def _numbers(address: str) -> list[str]:
    """House numbers and post codes."""
    return [word for word in address.split() if word.isdigit()]


def _date_keys(one: Traits) -> Iterator[tuple[int, str]]:
    born, name = one.born, one.name
    if name:
        yield 2, f"{name}|{born}"
        yield 11, f"{name}|{born[4:]}|{one.sex}"
        yield 12, f"{name}|{born[:4]}|{''.join(sorted(born[4:]))}"
        yield 6, f"{one.sound}|{born[:6]}"
        yield 13, f"{one.family}|{born}|{one.sex}"
        yield 22, f"{name}|{born[:4]}"
    if one.former:
        yield 2, f"{one.former}|{born}"
    if one.words:
        yield from ((10, f"{word}|{born}") for word in one.words.split())
        yield from ((17, f"{number}|{born}") for number in _numbers(one.address))
    if one.guardian:
        yield 7, f"{one.guardian}|{born}"
    if one.guardian_name:
        yield 8, f"{one.guardian_name}|{born}"
    if one.address and born > CHILDREN_SINCE:
        yield 16, f"{one.address[-8:]}|{born}"
