"""In-memory partners for the identity features. Not a twin: no wire, no rules."""

from datetime import UTC, date, datetime
from typing import Any

from integrations.ports.insurance import (
    CallId,
    CredentialScan,
    DecodedCredential,
    Enrolment,
    InsuredPerson,
    PersonQuery,
)
from integrations.ports.login import PlatformIdentity
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected
from integrations.ports.partners import PartnerUnknown
from service.kernel.context import Policy
from service.person.identity.texts import check_character

NOON = datetime(2026, 6, 30, 4, 0, tzinfo=UTC)


def citizen_number(born: date, serial: int, area: str = "990001") -> str:
    """An invented person's number; an odd serial is a man's."""
    first_17 = f"{area}{born:%Y%m%d}{serial:03d}"
    return first_17 + check_character(first_17)


class FakeLogin:
    """Codes are ``code-of-<subject>``; ``down`` answers that nothing was sent."""

    code = "wechat"

    def __init__(self) -> None:
        self.down = False

    async def exchange(self, code: str) -> Outcome[PlatformIdentity]:
        if self.down:
            return NotSent("no route")
        if code == "too-often":
            return Rejected(reason="too-often", provider_code="45011", provider_text="")
        if not code.startswith("code-of-"):
            return Rejected(reason="code-invalid", provider_code="40029", provider_text="")
        return Accepted(PlatformIdentity(subject=code.removeprefix("code-of-"), union=None))


class FakeRealName:
    """Knows pairs of name and number; ``outcome`` overrides the answer."""

    code = "real-name"

    def __init__(self) -> None:
        self.pairs: set[tuple[str, str]] = set()
        self.outcome: Outcome[bool] | None = None
        self.asked = 0

    async def check(self, name: str, id_no: str, request_no: str) -> Outcome[bool]:
        self.asked += 1
        return self.outcome or Accepted((name, id_no) in self.pairs)


class FakeInsurance:
    """Holds insured people by number and e-credentials by text; overrides per question."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.people: dict[str, InsuredPerson] = {}
        self.credentials: dict[str, DecodedCredential] = {}
        self.tokens: dict[str, str] = {}
        self.person_outcome: Outcome[InsuredPerson] | None = None
        self.decode_outcome: Outcome[DecodedCredential] | None = None
        self.asked = 0

    def insure(self, name: str, id_no: str, person_no: str, *types: str) -> InsuredPerson:
        person = InsuredPerson(
            person_no=person_no,
            name=name,
            id_no=id_no,
            enrolments=[
                Enrolment(
                    insurance_type=kind,
                    region="990001",
                    active=True,
                    balance_fen=100_00,
                    person_type="11",
                )
                for kind in types
            ],
        )
        self.people[id_no] = person
        return person

    def give_credential(self, text: str, name: str, id_no: str) -> None:
        token = f"token-of-{text}"
        self.tokens[token] = id_no
        self.credentials[text] = DecodedCredential(
            token=token, name=name, id_no=id_no, sex="U", birth_date=None, region="990001"
        )

    async def decode_credential(
        self, scan: CredentialScan, call: CallId
    ) -> Outcome[DecodedCredential]:
        if self.decode_outcome is not None:
            return self.decode_outcome
        if scan.text not in self.credentials:
            return Rejected(reason="credential-refused", provider_code="1", provider_text="")
        return Accepted(self.credentials[scan.text])

    async def read_person(self, query: PersonQuery, call: CallId) -> Outcome[InsuredPerson]:
        self.asked += 1
        if self.person_outcome is not None:
            return self.person_outcome
        id_no = self.tokens.get(query.token or "") or query.id_no or ""
        if id_no not in self.people:
            return Rejected(reason="partner-refused", provider_code="-1", provider_text="")
        return Accepted(self.people[id_no])

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the identity features do not call {name}")


class FakePartners:
    """One of each."""

    def __init__(self) -> None:
        self.wechat = FakeLogin()
        self.names = FakeRealName()
        self.insurers: dict[str, FakeInsurance] = {}

    def insurance(self, institution_code: str) -> FakeInsurance:
        return self.insurers.setdefault(institution_code, FakeInsurance(institution_code))

    def insurers(self, _institution_code: str) -> list[str]:
        return []

    def cover(self, institution_code: str, insurer: str) -> Any:
        raise PartnerUnknown(f"{institution_code} {insurer}")

    def invoice(self, institution_code: str) -> Any:
        raise PartnerUnknown(institution_code)

    def payment(self, provider: str, account_name: str) -> Any:
        raise PartnerUnknown

    def login(self, provider: str) -> FakeLogin:
        if provider != "wechat":
            raise PartnerUnknown
        return self.wechat

    def real_name(self) -> FakeRealName:
        return self.names


POLICY = Policy(test_provinces=frozenset({"99"}))
"""The sandbox's: its invented people are valid."""
