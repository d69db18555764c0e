"""Vectors of till certificates, offers, contexts, one reader's scans and its shown log."""

from datetime import datetime, timedelta

from crypto import curve
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import Till, make_offer, make_till_certificate
from crypto.healthcode.shown_log import FIRST_HEAD, next_head, shown_entry
from service.conformance.health_code import FixedNonceSigner
from tests.unit.crypto.health_code_more_vectors import STEP, bound, printed
from tests.unit.crypto.health_code_once_vectors import once
from tests.unit.crypto.health_code_parts import (
    LIST,
    NOW,
    TILL,
    TILL_CUT,
    TILL_KEY,
    TILL_PAST,
    VOUCHER,
    context_of,
    nonce_hex,
    offer,
    private_key,
    s,
    sign,
    z,
)

Case = dict[str, object]
NAME = "某市第一医院 收费处"
DAY = timedelta(days=1)
INSTITUTION, TERMINAL = (bytes.fromhex(str(offer()[name])) for name in ("institution", "terminal"))


def certificate_of(
    label: str,
    *,
    name: str = NAME,
    key_id: int = TILL,
    issued: datetime = NOW - timedelta(hours=1),
    until: datetime = NOW + DAY,
) -> bytes:
    till = Till(institution=INSTITUTION, terminal=TERMINAL, public=TILL_KEY.public, name=name)
    signer = FixedNonceSigner(VOUCHER, nonce_hex(f"certificate {label}"))
    return make_till_certificate(
        till, key_id=key_id, signer=signer, issued_at=issued, valid_until=until
    )


def _offer_of(fields: Case) -> Offer:
    return Offer(
        purpose=Purpose[str(fields["purpose"]).upper()],
        institution=INSTITUTION,
        terminal=TERMINAL,
        challenge=bytes.fromhex(str(fields["challenge"])),
        bill_id=bytes.fromhex(str(fields["bill_id"])),
        amount_fen=int(str(fields["amount_fen"])),
    )


def offer_text(label: str, certificate: bytes, life: int = 300, **changes: object) -> str:
    signer = FixedNonceSigner(TILL_KEY, nonce_hex(f"offer {label}"))
    return make_offer(_offer_of(offer(**changes)), certificate, signer, NOW, life)


def _raw(text: str) -> bytes:
    return code_text.decode_letters(text.removeprefix("YMO1:"))


def _letters(raw: bytes) -> str:
    return "YMO1:" + code_text.encode_letters(raw)


def _resigned(label: str, body: bytes, key: str = "till") -> str:
    """An offer of any bytes, rightly signed by a till's key."""
    signature = sign(private_key(key), f"offer {label}", b"YM1 offer\0" + body)
    return _letters(body + signature)


def vouched(label: str, text: str, certificate: bytes) -> str:
    """The same offer with any bytes for a certificate, both rightly signed."""
    message = b"YM1 till\0" + certificate
    signed = certificate + sign(VOUCHER, f"certificate {label}", message)
    return _resigned(label, _raw(text)[:48] + signed)


def offer_case(name: str, text: str, why: str, expect: Case | str, **rest: object) -> Case:
    wanted = {"error": expect} if isinstance(expect, str) else expect
    return (
        {"id": f"offer-{name}", "why": why, "text": text, "now": z(NOW)} | rest | {"expect": wanted}
    )


def offer_taken(name: str = NAME, life: int = 300, **changes: object) -> Case:
    fields = offer(**changes)
    return fields | {
        "error": None,
        "name": name,
        "issued_at": z(NOW),
        "expires_at": z(s(life)),
        "context": context_of(fields).hex(),
    }


def _accepted(plain: str) -> list[Case]:
    long_name = "名" * 20
    longest = offer_text("longest", certificate_of("longest", name=long_name), 900)
    consent = offer_text("consent", certificate_of("plain"), purpose="consent", amount_fen=0)
    dear = offer_text("dear", certificate_of("plain"), amount_fen=(1 << 63) - 1)
    return [
        offer_case("ok-plain", plain, "an open offer", offer_taken()),
        offer_case("ok-longest", longest, "the longest of all", offer_taken(long_name, 900)),
        offer_case(
            "ok-consent", consent, "no amount", offer_taken(purpose="consent", amount_fen=0)
        ),
        offer_case("ok-dear", dear, "the highest amount", offer_taken(amount_fen=(1 << 63) - 1)),
        offer_case("ok-early", plain, "issued 30 s ahead", offer_taken(), now=z(s(-30))),
        offer_case("ok-late", plain, "over since 29 s", offer_taken(), now=z(s(329))),
    ]


def _forms(plain: str) -> list[Case]:
    """Offers whose form is wrong though both signatures are right."""
    raw, good = _raw(plain), certificate_of("plain")
    body = raw[:-64]
    bodies = {
        "purpose": (body[:1] + b"\6" + body[2:], "purpose 6"),
        "purpose-bit": (body[:1] + b"\x82" + body[2:], "bit 7 stands in the context only"),
        "amount": (body[:34] + b"\x80" + body[35:], "an amount of 2**63 or more"),
        "amount-least": (body[:34] + b"\x80" + bytes(7) + body[42:], "an amount of 2**63"),
        "life-zero": (body[:46] + b"\0\0" + body[48:], "life 0"),
        "life-long": (body[:46] + b"\3\x85" + body[48:], "life 901"),
    }
    cert = good[:-64]
    name_bytes = len(NAME.encode())
    too_long = int((NOW + 366 * DAY).timestamp()).to_bytes(4, "big")
    certificates = {
        "version": (b"\2" + cert[1:], "certificate version 2", "TILL_MALFORMED"),
        "until": (cert[:7] + cert[3:7] + cert[11:], "over as it begins", "TILL_MALFORMED"),
        "until-long": (cert[:7] + too_long + cert[11:], "366 days and an hour", "TILL_MALFORMED"),
        "name-empty": (cert[:70] + b"\0" + cert[71:], "name length 0", "TILL_MALFORMED"),
        "name-long": (cert[:70] + bytes((61,)) + b"x" * 61, "61 bytes", "OFFER_MALFORMED"),
        "name-length": (
            cert[:70] + bytes((name_bytes - 1,)) + cert[71:],
            "a byte left over behind the name",
            "TILL_MALFORMED",
        ),
        "name-control": (cert[:71] + b"\n" + cert[72:], "not UTF-8 any more", "TILL_MALFORMED"),
        "name-bidi": (cert[:70] + b"\5a\xe2\x80\xaeb", "turns the reading order", "TILL_MALFORMED"),
        "name-line": (cert[:70] + b"\3a\nb", "a line end", "TILL_MALFORMED"),
        "key-form": (cert[:37] + b"\4" + cert[38:], "a key not compressed", "TILL_KEY"),
        "key-point": (
            cert[:37] + b"\2" + (5).to_bytes(32, "big") + cert[70:],
            "a key that is no point",
            "TILL_KEY",
        ),
    }
    return [
        *(
            offer_case(f"malformed-{name}", _resigned(name, broken), why, "OFFER_MALFORMED")
            for name, (broken, why) in bodies.items()
        ),
        *(
            offer_case(f"till-{name}", vouched(name, plain, broken), why, error)
            for name, (broken, why, error) in certificates.items()
        ),
        offer_case("version", _resigned("v", b"\2" + body[1:]), "version 2", "OFFER_UNSUPPORTED"),
        offer_case("malformed-prefix", "YM1:" + plain[5:], "another prefix", "OFFER_MALFORMED"),
        offer_case("malformed-letter", plain[:-1] + "a", "outside the alphabet", "OFFER_MALFORMED"),
        offer_case("malformed-blank", plain + " ", "a blank behind", "OFFER_MALFORMED"),
        offer_case("malformed-short", _letters(raw[:247]), "247 bytes", "OFFER_MALFORMED"),
        offer_case(
            "malformed-long", _letters(raw.ljust(308, b"\0")), "308 bytes", "OFFER_MALFORMED"
        ),
    ]


def _times_and_keys(plain: str) -> list[Case]:
    unknown = offer_text("u", certificate_of("u", key_id=0x6399))
    use = offer_text("use", certificate_of("use", key_id=LIST))
    cut = offer_text("cut", certificate_of("cut", key_id=TILL_CUT))
    past = offer_text("past", certificate_of("past", key_id=TILL_PAST))
    early = offer_text("early", certificate_of("early", issued=s(31)))
    over = offer_text("over", certificate_of("over", until=s(-30)))
    return [
        offer_case("clock", plain, "before the trust list", "CLOCK_UNSURE", now=z(s(-10_801))),
        offer_case("expired-list", plain, "", "TRUST_LIST_EXPIRED", trust_list="expired"),
        offer_case("till-unknown", unknown, "no such key", "TILL_UNKNOWN"),
        offer_case("till-use", use, "a key for revocation lists", "KEY_NOT_FOR_USE"),
        offer_case("till-cut-off", cut, "certified before the cut-off", "KEY_CLOSED"),
        offer_case("till-past", past, "verify-until reached", "KEY_CLOSED", now=z(s(2))),
        offer_case("till-not-yet", early, "certified 31 s ahead", "TILL_NOT_YET_VALID"),
        offer_case("till-expired", over, "over since 30 s", "TILL_EXPIRED"),
        offer_case("not-yet", plain, "issued 31 s ahead", "OFFER_NOT_YET_VALID", now=z(s(-31))),
        offer_case("expired", plain, "over since 30 s", "OFFER_EXPIRED", now=z(s(330))),
    ]


def _forged(plain: str) -> list[Case]:
    raw = _raw(plain)
    body, part, signature = raw[:-64], raw[:-128], raw[-64:]
    cert = body[48:-64]
    negated = (curve.N - int.from_bytes(raw[-32:], "big")).to_bytes(32, "big")
    stranger = sign(private_key("stranger"), "x", b"YM1 till\0" + cert)
    bare = sign(VOUCHER, "bare", cert)
    other = body[:41] + bytes((body[41] ^ 1,)) + body[42:]
    offers = {
        "amount": (_letters(other + signature), "OFFER_SIGNATURE"),
        "stranger": (_resigned("stranger", body, "stranger"), "OFFER_SIGNATURE"),
        "negated-s": (_letters(raw[:-32] + negated), "OFFER_SIGNATURE"),
        "bare": (_letters(body + sign(TILL_KEY, "bare", body)), "OFFER_SIGNATURE"),
        "till-stranger": (_resigned("ts", part + stranger), "TILL_SIGNATURE"),
        "till-bare": (_resigned("tb", part + bare), "TILL_SIGNATURE"),
        "till-name": (
            _resigned("tn", part[:-1] + bytes((part[-1] ^ 1,)) + body[-64:]),
            "TILL_SIGNATURE",
        ),
    }
    return [
        offer_case(f"signature-{name}", text, "not signed by who should", error)
        for name, (text, error) in offers.items()
    ]


def offer_cases() -> dict[str, list[Case]]:
    """The sections of offer.json."""
    certificate = certificate_of("plain")
    plain = offer_text("plain", certificate)
    made = {
        "institution": INSTITUTION.hex(),
        "terminal": TERMINAL.hex(),
        "till_key": TILL_KEY.public.compressed().hex(),
        "name": NAME,
        "key": "till voucher",
        "key_id": f"{TILL:04x}",
        "issued_at": z(NOW - timedelta(hours=1)),
        "valid_until": z(NOW + DAY),
        "k": nonce_hex("certificate plain"),
    }
    asked = {
        "offer": offer(),
        "certificate": certificate.hex(),
        "key": "till",
        "issued_at": z(NOW),
        "life": 300,
        "k": nonce_hex("offer plain"),
    }
    expect = {"text": plain, "bytes": _raw(plain).hex()}
    return {
        "till_certificate": [
            {"id": "till-plain", "given": made, "expect": {"certificate": certificate.hex()}}
        ],
        "make_offer": [{"id": "offer-plain", "given": asked, "expect": expect}],
        "offer": [
            *_accepted(plain),
            *_forms(plain),
            *_times_and_keys(plain),
            *_forged(plain),
        ],
    }


def context_cases() -> dict[str, list[Case]]:
    """The section of context.json: each field changes the context."""
    changes: dict[str, Case] = {
        "plain": {},
        "institution": {"institution": b"H99000100002".ljust(18, b"\0").hex()},
        "terminal": {"terminal": b"TERM0002".hex()},
        "challenge": {"challenge": "00" * 16},
        "bill": {"bill_id": "ff" * 16},
        "amount": {"amount_fen": 12_346},
        "dear": {"amount_fen": (1 << 63) - 1},
        **{purpose.name.lower(): {"purpose": purpose.name.lower()} for purpose in Purpose},
    }
    return {
        "context": [
            {
                "id": f"context-of-{name}",
                "offer": offer(**changed),
                "expect": {"context": context_of(offer(**changed)).hex()},
            }
            for name, changed in changes.items()
        ]
    }


def reader_cases() -> dict[str, list[Case]]:
    """The sections of reader.json: what a reader keeps from scan to scan."""
    first, again, later = bound("plain"), bound("again"), bound("tap", seq=1)
    earlier = bound("back", step=STEP - 1)
    one_time, paper = once("plain"), printed("plain")
    forged = later[:-1] + bytes((later[-1] ^ 1,))
    stories: dict[str, tuple[str, list[tuple[bytes, str | None]]]] = {
        "bound-twice": ("the same text", [(first, None), (first, "ALREADY_SHOWN")]),
        "bound-resigned": ("the same moment", [(first, None), (again, "ALREADY_SHOWN")]),
        "bound-rises": ("a tap later", [(first, None), (later, None)]),
        "bound-falls": ("an older screenshot", [(first, None), (earlier, "ALREADY_SHOWN")]),
        "bound-falls-seq": ("before the tap", [(later, None), (first, "ALREADY_SHOWN")]),
        "bound-forged": (
            "a forgery leaves no trace",
            [(first, None), (forged, "HOLDER_SIGNATURE"), (later, None)],
        ),
        "printed-twice": ("paper may come again", [(paper, None), (paper, None)]),
        "once-twice": ("a used code", [(one_time, None), (one_time, "ALREADY_SHOWN")]),
    }
    seen: list[Case] = [
        {
            "id": f"seen-{name}",
            "why": why,
            "scans": [
                {"text": code_text.encode(raw), "now": z(s(5 + at))}
                for at, (raw, _) in enumerate(scans)
            ],
            "expect": {"errors": [error for _, error in scans]},
        }
        for name, (why, scans) in stories.items()
    ]
    asked = offer_text("plain", certificate_of("plain"))
    paying = bound("pay", purpose=0x82, context=context_of(offer()))
    shown: list[tuple[str, Purpose, str]] = [
        (code_text.encode(first), Purpose.IDENTIFY, ""),
        (code_text.encode(paper), Purpose.IDENTIFY, ""),
        (code_text.encode(paying), Purpose.PAY, asked),
    ]
    head, heads, entries = FIRST_HEAD, [], []
    for at, (text, purpose, bound_to) in enumerate(shown):
        scanned = int(s(5 + at).timestamp())
        head = next_head(
            head, shown_entry(text=text, scanned=scanned, purpose=purpose, offer=bound_to)
        )
        heads.append(head.hex())
        entry: Case = {"text": text, "scanned_at": z(s(5 + at)), "purpose": purpose.name.lower()}
        entries.append(entry | ({"offer": bound_to} if bound_to else {}))
    return {
        "seen": seen,
        "shown_log": [{"id": "shown-log", "entries": entries, "expect": {"heads": heads}}],
    }
