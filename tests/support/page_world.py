"""What the pages' stand-in for the system knows: people, codes, bills, settlements, in memory.

Follows the HTTP contract as a caller sees it, with settlements that advance by themselves. It is
not the business: no rule here is a model for the real one.
"""

import base64
import hashlib
import io
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import qrcode
from qrcode.image.svg import SvgPathImage

from crypto.healthcode.layout import VERSION, Kind
from crypto.healthcode.text import encode
from crypto.sm3 import sm3
from service.account.problems import LoginStopped
from service.healthcode.problems import CodeRevoked
from service.institution.problems import ActivationRefused
from service.kernel.clock import Clock
from service.kernel.masked import mask_name
from service.kernel.problems import NotAuthenticated, NotFound, Problem, StateConflict
from service.settlement.problems import ScanBoundToAnotherBill, ScanNotForPayment
from tests.support.page_ways import QR_TEXTS, offered

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-.:"
STEP_S = 0.7
"""How long a settlement stays in a state that ends by itself."""

Json = dict[str, Any]


class CodeExpired(Problem):
    """The shown code is past its life."""

    code = "code-expired"
    status = 409
    title = "The code has expired"


class CodeAlreadyUsed(Problem):
    """A one-time code came twice."""

    code = "code-already-used"
    status = 409
    title = "The code was shown before"


class CodeMalformed(Problem):
    """The text is no code."""

    code = "code-malformed"
    status = 422
    title = "The text is not a code"


class PurposeMismatch(Problem):
    """The code was made for something else."""

    code = "code-purpose-mismatch"
    status = 409
    title = "The code is for another purpose"


class BillLocked(Problem):
    """Somebody else holds the bill."""

    code = "bill-locked"
    status = 409
    title = "The bill is being paid elsewhere"


def drawn(text: str) -> str:
    """The QR symbol of a text as SVG."""
    symbol = qrcode.QRCode(border=4, error_correction=qrcode.constants.ERROR_CORRECT_M)
    symbol.add_data(text)
    out = io.BytesIO()
    symbol.make_image(image_factory=SvgPathImage).save(out)
    return out.getvalue().decode()


def wire_time(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def code_text() -> str:
    """A text of a one-time code's length and alphabet; it says nothing."""
    return "YM1:" + "".join(secrets.choice(ALPHABET) for _ in range(150))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A code that holds: whose, of what kind, and what it was bound to."""

    subject: str
    shown: str
    bill_id: bytes | None = None
    amount_fen: int | None = None


class World:
    """Everything behind the pages. ``cashier_url`` is the payment twin's page."""

    def __init__(self, clock: Clock, *, code_life_s: int = 60) -> None:
        self.clock = clock
        self.code_life_s = code_life_s
        self.cashier_url = ""
        self.activations: dict[str, str] = {}
        self.terminals: dict[str, bytes] = {}
        self.login_codes: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.stopped: set[str] = set()
        """Tokens that another device ended."""
        self.people: dict[str, Json] = {}
        self.codes: dict[str, Json] = {}
        self.scans: dict[str, Json] = {}
        self.bills: dict[str, Json] = {}
        self.settlements: dict[str, Json] = {}
        self.kept: dict[str, Json] = {}
        self.posts: list[tuple[str, str]] = []
        """(operation, Idempotency-Key) of every keyed act that took effect."""
        self.insured = True
        self.cover: Json = {}  # What a commercial insurer says, in the words of a settlement.
        self.names: dict[str, Json] = {}
        """``{"name": {"zh": …, "en": …}}`` of providers that the pages have no words for."""
        self.ways = [("wechatpay", way) for way in ("code", "h5", "jsapi", "native")]
        """(provider, way) that the hospital's merchant accounts have."""
        self.code_outcomes: list[str] = []
        """What becomes of the payment codes to come: PAID, FAILED, AWAITING_PAYER, CREATED."""
        self.taken_codes: list[str] = []
        self.bills_wait_s = 0.0

    def new_activation_code(self) -> str:
        """A code that activates one kiosk."""
        code = secrets.token_hex(4).upper()
        self.activations[code] = "T" + secrets.token_hex(8)
        return code

    def activate(self, code: str) -> Json:
        """Trade the code for a key, once."""
        terminal_id = self.activations.pop(code.upper(), None)
        if terminal_id is None:
            raise ActivationRefused
        key = secrets.token_bytes(32)
        self.terminals[terminal_id] = key
        return {
            "terminal_id": terminal_id,
            "key": base64.b64encode(key).decode(),
            "institution_name": "青禾市第一人民医院",
            "public_place": True,
        }

    def login(self, code: str) -> Json:
        """Trade the twin's code for a token."""
        subject = self.login_codes.pop(code, None)
        if subject is None:
            raise NotAuthenticated
        token = secrets.token_urlsafe(24)
        self.tokens[token] = subject
        ends = self.clock.now() + timedelta(hours=12)
        registered = subject in self.people
        return {"access_token": token, "expires_in": wire_time(ends), "registered": registered}

    def subject(self, authorization: str) -> str:
        """Whose token it is."""
        subject = self.tokens.get(authorization.removeprefix("Bearer "))
        if subject is None:
            stopped = authorization.removeprefix("Bearer ") in self.stopped
            raise LoginStopped if stopped else NotAuthenticated
        return subject

    def stop_others(self, authorization: str) -> None:
        """Every other login of the same person ends."""
        subject, own = self.subject(authorization), authorization.removeprefix("Bearer ")
        others = {token for token, whose in self.tokens.items() if whose == subject} - {own}
        self.stopped |= others
        self.tokens = {token: who for token, who in self.tokens.items() if token not in others}

    def me(self, subject: str) -> Json:
        """What a resident sees of themself."""
        person = self.people.get(subject)
        if person is None:
            return {"registered": False, "level": "NONE", "insurance": None}
        name, number = person["name"], person["id_no"]
        linked = {"status": "LINKED", "insurance_type": "310", "region": "990001"}
        linked["as_of"] = wire_time(self.clock.now())
        return {
            "registered": True,
            "level": "REAL_NAME",
            "masked_name": mask_name(name),
            "masked_id_no": number[:1] + "*" * 16 + number[-1:],
            "insurance": linked if self.insured else {"status": "NOT_LINKED"},
        }

    # Codes and scans

    def new_code(self, subject: str, purpose: str) -> Json:
        """A one-time code with its symbol."""
        now = self.clock.now()
        text = code_text()
        ends = now + timedelta(seconds=self.code_life_s)
        self.codes[text] = {"subject": subject, "purpose": purpose, "ends": ends, "used": False}
        return {
            "text": text,
            "expires_at": wire_time(ends),
            "life_s": self.code_life_s,
            "server_time": wire_time(now),
            "svg": drawn(text),
        }

    def print_code(self, subject: str) -> str:
        """A code on paper: it identifies, and may be scanned again."""
        mark = encode(bytes((VERSION, Kind.PRINTED)))
        text = mark + code_text()[len(mark) :]
        ends = self.clock.now() + timedelta(days=365)
        self.codes[text] = {"subject": subject, "purpose": "", "ends": ends, "used": False}
        return text

    def show(self, text: str, purpose: str) -> Shown:
        """Whose one-time or printed code it is; a one-time code is used up."""
        code = self.codes.get(text)
        if code is None:
            raise CodeMalformed
        if code.get("revoked"):
            raise CodeRevoked
        if self.clock.now() >= code["ends"]:
            raise CodeExpired
        if code["used"]:
            raise CodeAlreadyUsed
        if purpose == "pay" and code["purpose"] != "pay":
            raise PurposeMismatch(wanted=purpose)
        code["used"] = code["purpose"] != ""
        return Shown(subject=code["subject"], shown="ONE_TIME" if code["purpose"] else "PRINTED")

    def scan(self, shown: Shown, purpose: str) -> Json:
        """Note that a terminal resolved a code."""
        me, printed = self.me(shown.subject), shown.shown == "PRINTED"
        scan_id = "S" + secrets.token_hex(8)
        now = self.clock.now()
        self.scans[scan_id] = {
            "subject": shown.subject,
            "at": now,
            "purpose": purpose,
            "bill_id": shown.bill_id,
            "amount_fen": shown.amount_fen,
        }
        return {
            "scan_id": scan_id,
            "patient_id": "P" + hashlib.sha256(shown.subject.encode()).hexdigest()[:16],
            "shown": shown.shown,
            "level": "IDENTIFIED" if printed else "PRESENT",
            "masked_name": me["masked_name"],
            "sex": "F",
            "age": 67,
            "insurance": me["insurance"],
            "bills_visible": not printed,
            "scanned_at": wire_time(now),
        }

    def paying_subject(self, scan_id: str, bill_id: str) -> str:
        """Who showed a code to pay this bill, or any."""
        scan, bill = self.scans[scan_id], self.bills[bill_id]
        if scan["purpose"] != "pay":
            raise ScanNotForPayment
        approved = (scan["bill_id"], scan["amount_fen"])
        named = (sm3(bill_id.encode())[:16], bill["total_fen"])
        if approved not in ((None, None), named):
            raise ScanBoundToAnotherBill
        return self.scan_subject(scan_id)

    def scan_subject(self, scan_id: str) -> str:
        """Who stood before the kiosk."""
        scan = self.scans.get(scan_id)
        if scan is None:
            raise NotFound
        return str(scan["subject"])

    # Bills

    def add_bill(
        self, subject: str, lines: list[tuple[str, int, int]], department: str = "心血管内科"
    ) -> str:
        """Lines are (name, quantity, price in fen). Gives the bill's id."""
        now = self.clock.now()
        bill_id = "B" + secrets.token_hex(8)
        rows = [
            {
                "line_no": at + 1,
                "name": name,
                "quantity_e4": count * 10_000,
                "unit_price_e6": price * 10_000,
                "amount_fen": count * price,
            }
            for at, (name, count, price) in enumerate(lines)
        ]
        self.bills[bill_id] = {
            "subject": subject,
            "bill_id": bill_id,
            "bill_no": f"MZ{len(self.bills) + 1:06d}",
            "version": 1,
            "institution_name": "青禾市第一人民医院",
            "department": department,
            "visit_no": "0108",
            "total_fen": sum(row["amount_fen"] for row in rows),
            "state": "OPEN",
            "charged_at": wire_time(now),
            "pay_until": wire_time(now + timedelta(hours=24)),
            "lines": rows,
        }
        return bill_id

    def payable(self, subject: str) -> list[Json]:
        """Open and locked bills with their lines."""
        found = [b for b in self.bills.values() if b["subject"] == subject]
        shown = [b for b in found if b["state"] in ("OPEN", "LOCKED")]
        return [{k: v for k, v in b.items() if k != "subject"} for b in shown]

    def bill(self, subject: str, bill_id: str) -> Json:
        """One of the person's bills."""
        bill = self.bills.get(bill_id)
        if bill is None or bill["subject"] != subject:
            raise NotFound
        return bill

    # Settlements

    def start(self, subject: str, bill_id: str, *, insured: bool, use_account: bool) -> Json:
        """Lock the bill and begin."""
        bill = self.bill(subject, bill_id)
        if bill["state"] != "OPEN":
            raise BillLocked
        now = self.clock.now()
        settlement_id = "X" + secrets.token_hex(8)
        bill.update(state="LOCKED", settlement_id=settlement_id)
        fund = bill["total_fen"] * 65 // 100 if insured and self.insured else 0
        account = min(3_000, bill["total_fen"] - fund) if use_account and fund else 0
        self.settlements[settlement_id] = {
            "subject": subject,
            "since": now,
            "split": {"fund_fen": fund, "account_fen": account, "hospital_fen": 0},
            "settlement_id": settlement_id,
            "bill_id": bill_id,
            "state": "PRESETTLING",
            "total_fen": bill["total_fen"],
            "paid_fen": 0,
            "refunded_fen": 0,
            "deadline_at": wire_time(now + timedelta(minutes=15)),
            "receipt": False,
            "updated_at": wire_time(now),
        }
        return self.read(subject, settlement_id)

    def find(self, subject: str, settlement_id: str) -> Json:
        """The stored settlement."""
        found = self.settlements.get(settlement_id)
        if found is None or found["subject"] != subject:
            raise NotFound
        return found

    def move(self, settlement: Json, state: str) -> None:
        """Into a state, now."""
        now = self.clock.now()
        settlement.update(state=state, since=now, updated_at=wire_time(now))

    def read(self, subject: str, settlement_id: str) -> Json:
        """As the wire shows it, after whatever was due."""
        settlement = self.find(subject, settlement_id)
        age_s = (self.clock.now() - settlement["since"]).total_seconds()
        if age_s >= STEP_S:
            self.advance(settlement)
        hidden = ("subject", "since", "split")
        return {key: value for key, value in settlement.items() if key not in hidden}

    def advance(self, settlement: Json) -> None:
        """The next state, where it comes by itself."""
        following = {
            "PRESETTLING": "PRESETTLED",
            "PAID": "SETTLING",
            "SETTLING": "SETTLED",
            "SETTLED": "POSTING",
            "POSTING": "POSTED",
            "REVERSING": "REVERSED",
        }
        # As in the system, the receipt is made once the hospital has posted, a moment later.
        settlement["receipt"] = settlement["state"] == "POSTED"
        state = following.get(settlement["state"])
        if state is None:
            return
        self.move(settlement, state)
        bill = self.bills[settlement["bill_id"]]
        if state == "PRESETTLED":
            split = settlement["split"]
            settlement.update({**split, **self.cover})
            others = sum(split.values()) + self.cover.get("cover_fen", 0)
            settlement["cash_fen"] = settlement["total_fen"] - others
        elif state == "SETTLED":
            bill["state"] = "PAID"
        elif state == "REVERSED":
            bill["state"] = "OPEN"
            del bill["settlement_id"]

    def offered(self, here: tuple[str, ...]) -> Json:
        """The ways of the place that asks."""
        return {"ways": offered(self.ways, self.names, here)}

    def pay(self, subject: str, settlement_id: str, asked: Json) -> Json:
        """Place an order for the person's part, or take it by a shown code."""
        settlement = self.find(subject, settlement_id)
        if settlement["state"] not in ("PRESETTLED", "AWAITING_PAYER"):
            raise StateConflict
        provider, way = asked["provider"], asked["way"]
        self.move(settlement, "AWAITING_PAYER")
        payment: Json = {"state": "AWAITING_PAYER", "provider": provider, "way": way}
        payment["amount_fen"] = settlement["cash_fen"]
        payment["expires_at"] = wire_time(self.clock.now() + timedelta(minutes=5))
        settlement["payment"] = payment
        if way == "code":
            self._take_code(settlement, asked["code"])
        elif way == "native":
            text = QR_TEXTS[provider] + settlement_id
            payment.update(qr_text=text, qr_svg=drawn(text))
        elif way == "h5":
            payment["link"] = f"https://pages.invalid/?pr={settlement_id}"
            payment["cashier_url"] = f"{self.cashier_url}?prepay_id=wx{settlement_id}"
        else:
            package = f"prepay_id=wx{settlement_id}"
            payment["client_parameters"] = {"package": package, "signType": "RSA"}
            payment["cashier_url"] = self.cashier_url
        return self.read(subject, settlement_id)

    def _take_code(self, settlement: Json, code: str) -> None:
        self.taken_codes.append(code)
        state = self.code_outcomes.pop(0) if self.code_outcomes else "PAID"
        if state == "PAID":
            self.take_payment(settlement["settlement_id"])
            return
        settlement["payment"]["state"] = state
        if state == "FAILED":
            settlement["payment"]["refusal"] = "code-invalid"
            self.move(settlement, "PRESETTLED")

    def take_payment(self, settlement_id: str) -> None:
        """The payer paid at the provider."""
        settlement = self.settlements[settlement_id]
        settlement["payment"]["state"] = "PAID"
        settlement["paid_fen"] = settlement["payment"]["amount_fen"]
        self.move(settlement, "PAID")

    def confirm(self, subject: str, settlement_id: str) -> Json:
        """Go on where nothing is to be paid."""
        settlement = self.find(subject, settlement_id)
        if settlement["state"] != "PRESETTLED" or settlement["cash_fen"] != 0:
            raise StateConflict
        self.move(settlement, "SETTLING")
        return self.read(subject, settlement_id)

    def abandon(self, subject: str, settlement_id: str) -> Json:
        """Undo what is not paid yet."""
        settlement = self.find(subject, settlement_id)
        if settlement["state"] in ("PRESETTLING", "PRESETTLED", "AWAITING_PAYER"):
            self.move(settlement, "REVERSING")
        return self.read(subject, settlement_id)

    def receipt(self, subject: str, settlement_id: str) -> Json:
        """The receipt of a settled bill."""
        settlement = self.find(subject, settlement_id)
        if not settlement["receipt"]:
            raise NotFound
        bill = self.bills[settlement["bill_id"]]
        parts = ("total_fen", "fund_fen", "account_fen", "cash_fen", "hospital_fen")
        return {
            "receipt_no": "R" + settlement_id[1:11].upper(),
            "issued_at": settlement["updated_at"],
            "institution_name": bill["institution_name"],
            "bill_no": bill["bill_no"],
            "lines": bill["lines"],
            **{part: settlement[part] for part in parts},
            "cover_fen": settlement.get("cover_fen", 0),
            "paid_by": settlement["payment"]["provider"] if settlement["cash_fen"] else "none",
            "provider_ref": "4200009900" + settlement_id[1:9],
            "insurance_ref": "9900" + settlement_id[1:13],
            "invoice": {
                "state": "ISSUED",
                "issued": {"code": "99010126", "number": "0000000001", "check_code": "a1b2c3"},
            },
        }
