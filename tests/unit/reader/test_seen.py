"""What was shown already: strictly rising, once, bounded, forgotten at expiry."""

from datetime import timedelta

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import Code, code_id, parse
from service.reader.seen import SeenMap
from tests.support.reader_world import ReaderWorld

WORLD = ReaderWorld()
NOW = int(WORLD.now.timestamp())


def code_of(text: str) -> tuple[Code, bytes]:
    code = parse(code_text.decode(text))
    return code, code_id(code)


def test_a_bound_code_must_rise() -> None:
    phone, seen = WORLD.phone(), SeenMap()
    early, late = code_of(phone.show(WORLD.now)), code_of(phone.show(WORLD.now, seq=1))
    step_on = code_of(phone.show(WORLD.now + timedelta(seconds=30)))
    seen.take(*late, NOW)
    assert [seen.has(*one) for one in (early, late, step_on)] == [True, True, False]
    seen.take(*early, NOW)
    assert seen.has(*late)


def test_a_one_time_code_comes_once_and_a_printed_one_often() -> None:
    seen, once, printed = SeenMap(), code_of(WORLD.once()), code_of(WORLD.printed())
    for code in (once, printed):
        assert not seen.has(*code)
        seen.take(*code, NOW)
    assert (seen.has(*once), seen.has(*printed)) == (True, False)


def test_what_expired_is_forgotten() -> None:
    seen, once = SeenMap(), code_of(WORLD.once())
    seen.take(*once, NOW)
    seen.forget_expired(NOW + 89)
    assert len(seen) == 1
    seen.forget_expired(NOW + 90)
    assert len(seen) == 0


def test_it_stays_bounded_and_keeps_the_newest() -> None:
    seen, (code, _) = SeenMap(codes_max=2000), code_of(WORLD.once())
    names = [number.to_bytes(16, "big") for number in range(9000)]
    for name in names:
        seen.take(code, name, NOW)
        assert len(seen) <= 2001
    assert all(seen.has(code, name) for name in names[-1500:])
