"""The keys under which two registrations of one person meet (master-index dossier 5).

None is over a single common value. A key that too many share stops giving candidates; the others
go on.
"""

from collections.abc import Iterator

from service.person.matching.traits import Traits

SHARED_MAX = 50
"""Registrations under one key: beyond it the key tells nobody apart."""


def keys_of(one: Traits) -> Iterator[tuple[int, str]]:
    """(kind, text) of each."""
    born, name, phone = one.born, one.name, one.phone
    if one.own or one.lent:
        yield 1, one.own or one.lent
    if name and born:
        yield 2, f"{name}|{born}"
        yield 11, f"{name}|{born[4:]}|{one.sex}"
        yield 12, f"{name}|{born[:4]}|{''.join(sorted(born[4:]))}"
    if phone and born:
        yield 3, f"{phone}|{born}"
    if name and phone:
        yield 4, f"{name}|{phone}"
    if one.local:
        yield 5, one.local
    if one.sound and born:
        yield 6, f"{one.sound}|{born[:6]}"
        yield 13, f"{one.family}|{born}|{one.sex}"
    if one.sound and phone:
        yield 14, f"{one.sound}|{phone}"
    if born and one.guardian:
        yield 7, f"{one.guardian}|{born}"
    if born and one.guardian_name:
        yield 8, f"{one.guardian_name}|{born}"
    if len(one.near) == 18:
        yield 9, f"a{one.near[:14]}"
        yield 9, f"s{one.near[6:17]}"
        yield 9, f"r{one.near[:6]}{one.near[10:17]}"
    if one.former and born:
        yield 10, f"{one.former}|{born}"
        yield 2, f"{one.former}|{born}"
    if one.words and born:
        yield 10, f"{one.words}|{born}"
    if name and one.address:
        yield 15, f"{name}|{one.address}"
