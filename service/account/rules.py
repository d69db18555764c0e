"""Pure decisions about accounts."""

from datetime import date, datetime, time, timedelta

from service.account.model import RealName
from service.kernel.clock import CHINA, business_day
from service.person.identity.names import compare_key
from service.person.identity.texts import age_on
from service.person.model import Facts, RecordView, Registration, Source

GUARDIAN_BELOW_YEARS = 14
ACCOUNT_ATTEMPTS_A_DAY = 5
NUMBER_ATTEMPTS_A_DAY = 10


def login_kind(provider: str) -> str:
    """What the blind keys of a platform's subjects are made for."""
    return f"login {provider}"


def registration_of(real_name: RealName) -> Registration:
    """What the master index is given."""
    return Registration(
        source=Source.RESIDENT,
        institution_id=None,
        name=real_name.name,
        id_type=real_name.id_type,
        id_no=real_name.id_no,
        phone=real_name.phone,
    )


def says_the_same(facts: Facts, view: RecordView) -> bool:
    """Whether a repeated registration names the person the account is registered as."""
    return facts.id_no == view.id_no.reveal() and compare_key(facts.name) == compare_key(
        view.name.reveal()
    )


def needs_guardian(birth_date: date | None, today: date) -> bool:
    """Below 14 full years (identity rules, cross-field)."""
    return birth_date is not None and age_on(birth_date, today) < GUARDIAN_BELOW_YEARS


def seconds_to_tomorrow(now: datetime) -> int:
    """Until the next day begins in China, at least one."""
    tomorrow = datetime.combine(business_day(now) + timedelta(days=1), time(), CHINA)
    return max(1, int((tomorrow - now).total_seconds()) + 1)
