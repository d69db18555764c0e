"""Refusals, cards, what a terminal may see, and the symbol."""

import re
import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
import zxingcpp
from PIL import Image

from crypto.healthcode.index import Index
from crypto.healthcode.issue import OnceRequest, issue_once, load_issuer
from crypto.healthcode.layout import Kind
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from service.healthcode import problems, rules, symbols
from service.healthcode.model import CodeCard, CodeState, Scan, ScanLevel, Shown
from service.kernel.principals import Terminal
from service.kernel.problems import Problem
from tests.support.fakes_identity import NOON


def test_every_refusal_of_the_format_has_a_problem_of_its_own() -> None:
    assert set(rules.REFUSALS) == set(Refusal)
    assert len({problem.code for problem in rules.REFUSALS.values()}) == len(Refusal)
    for refusal in Refusal:
        assert isinstance(rules.problem_of(refusal, None), Problem)


def test_a_time_problem_says_by_how_much() -> None:
    problem = rules.problem_of(Refusal.EXPIRED, 31)
    assert (problem.code, problem.body("x")["off_by_s"]) == ("code-expired", 31)


def card(epoch: int = 3, state: CodeState = CodeState.ACTIVE) -> CodeCard:
    return CodeCard(record_id=1, card=0, epoch=epoch, state=state, created_at=NOON, row_mac=b"")


@pytest.mark.parametrize(
    ("held", "epoch", "frozen", "problem"),
    [
        (None, 3, False, problems.CodeNoSuchCard),
        (card(state=CodeState.CANCELLED), 3, False, problems.CodeNoSuchCard),
        (card(), 2, False, problems.CodeSuperseded),
        (card(), 4, False, problems.CodeSuperseded),
        (card(state=CodeState.FROZEN), 3, False, problems.CodeFrozen),
        (card(), 3, True, problems.CodeFrozen),
    ],
)
def test_cards_that_do_not_resolve(
    held: CodeCard | None, epoch: int, frozen: bool, problem: type[Problem]
) -> None:
    with pytest.raises(problem):
        rules.check_card(held, epoch, person_frozen=frozen)


def test_a_card_of_the_same_epoch_resolves() -> None:
    rules.check_card(card(), 3, person_frozen=False)


@pytest.mark.parametrize(
    ("level", "public_place", "visible"),
    [
        (ScanLevel.PRESENT, True, True),
        (ScanLevel.IDENTIFIED, True, False),
        (ScanLevel.PRESENT, False, True),
        (ScanLevel.IDENTIFIED, False, True),
    ],
)
def test_a_public_kiosk_shows_bills_only_after_a_dynamic_code(
    level: ScanLevel, public_place: bool, visible: bool
) -> None:
    scan = Scan(
        record_id=1,
        scan_id=1,
        institution_id=1,
        terminal_id=1,
        shown=Shown.ONE_TIME,
        level=level,
        purpose=0,
        scanned_at=NOON,
        row_mac=b"",
    )
    terminal = Terminal(institution_id=1, terminal_id=1, public_place=public_place)
    assert rules.bills_visible(scan, terminal) is visible


def a_text(ring: KeyRing) -> str:
    request = OnceRequest(index=Index(record_id=bytes(8), card=0, epoch=0), code_class=0)
    return issue_once(load_issuer(ring, Kind.ONCE, NOON), request, NOON).text


def test_codes_of_before_and_after_a_rotation_verify() -> None:
    ring = KeyRing.generate_for_development(NOON)
    day = timedelta(days=1)
    rotated = ring.rotated(KeyKind.ISSUER_ONCE, NOON, life=day, overlap=day / 24)
    verifier = CodeVerifier(rules.trust_of(rotated))
    for text in (a_text(ring), a_text(rotated)):
        assert verifier.verify(text, Reader(), NOON).holds
    destroyed = CodeVerifier(rules.trust_of(rotated.without(KeyKind.ISSUER_ONCE, 1)))
    verdict = destroyed.verify(a_text(ring), Reader(), NOON)
    assert verdict.refusal is Refusal.KEY_UNKNOWN


def rendered(svg: str) -> Image.Image:
    """Paint the path's squares; the library draws one rectangle a module."""
    root = ET.fromstring(svg)  # noqa: S314 - our own text
    size = float(root.attrib["viewBox"].split()[2])
    scale = 8
    image = Image.new("L", (int(size * scale), int(size * scale)), 255)
    path = next(element for element in root.iter() if element.tag.endswith("path"))
    for x, y, side in re.findall(r"M([\d.]+),([\d.]+)H([\d.]+)", path.attrib["d"]):
        left, top, right = (float(v) * scale for v in (x, y, side))
        image.paste(0, (int(left), int(top), int(right), int(top + (right - left))))
    return image


@pytest.mark.parametrize("correction", symbols.Correction)
def test_the_symbol_reads_back_as_the_text(correction: symbols.Correction) -> None:
    text = a_text(KeyRing.generate_for_development(NOON))
    svg = symbols.draw(text, correction)
    found = zxingcpp.read_barcodes(rendered(svg))
    assert [(symbol.text, symbol.ec_level) for symbol in found] == [(text, correction.name)]
    assert "script" not in svg
    assert len(svg) < 20_000


async def test_symbols_are_drawn_side_by_side() -> None:
    drawer = symbols.SymbolDrawer()
    text = a_text(KeyRing.generate_for_development(NOON))
    assert await drawer.draw(text) == symbols.draw(text)
