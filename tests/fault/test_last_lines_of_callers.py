"""Guards of institutions, their callers, their credentials, work items and statements."""

from datetime import date
from typing import Any

import msgspec
import pytest

from crypto.sm2 import PrivateKey
from integrations.ports.insurance import Enrolment
from integrations.ports.statements import StatementTotals
from service.audit.model import Decided
from service.casework import actions as casework
from service.casework import store as casework_store
from service.casework.model import ItemsOf, NewItem
from service.credential import actions as credential
from service.credential import rules as credential_rules
from service.credential import store as credential_store
from service.credential.model import Credential, CredentialState
from service.institution import actions as institution
from service.institution import authority, store_certificates
from service.institution import store as institution_store
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.database import connection, transaction
from service.kernel.signed_requests import SCHEME_APPLICATION, Claimed
from service.reconcile import loading
from service.reconcile import store as reconcile_store
from service.reconcile.model import Account, Class
from tests.support.guards import Guard, both_runs
from tests.support.invoice_desk import a_desk
from tests.support.last_lines import (
    HOLD_FILES,
    MEET_IN_FILES,
    Harm,
    at_once,
    meeting,
    run,
    without,
    without_conflict,
)
from tests.support.money import ACCOUNT, PROVIDER, House, a_house

DAY = date(2026, 3, 1)
COUNTED = Account(provider=PROVIDER, account_name=ACCOUNT)
ENROLLED = Enrolment(
    insurance_type="310", person_type="11", region="990100", active=True, balance_fen=0
)
NEW = NewInstitution(
    code="H99000199999",
    name="测试医院",
    insurance_region="990100",
    level=3,
    moved_amounts=MovedAmounts.ADJUST,
)


def succeeded(got: list[Any]) -> list[Any]:
    """What did not raise."""
    return [one for one in got if not isinstance(one, BaseException)]


async def two_enrol_one_hospital(dsn: str) -> None:
    """Two operators type in the same form at the same time."""
    async with a_house(dsn) as house:
        works = [institution.enrol_institution(house.ctx, NEW) for _ in "12"]
        if len(succeeded(await at_once(dsn, "institution", *works))) != 1:
            raise Harm("two hospitals bear one code")


async def one_code_a_hospital(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, institution_store, "INSERT_INSTITUTION")
    await run(dsn, "drop index institution_code")


async def two_set_up_one_hospital(dsn: str) -> None:
    """One sets the limit above which a second person approves, the other something else."""
    async with a_house(dsn) as house:
        ctx, place = house.ctx, house.institution_id
        told = await at_once(
            dsn,
            "institution",
            institution.set_approval_limit(ctx, place, 100_00),
            institution.set_registration_insured(ctx, place, insured=True),
        )
        ctx.memory.forget(("institution", place))
        found = await institution.get_institution(ctx, place)
        stands = [found.approval_above_fen == 100_00, found.registration_insured]
        if sum(stands) != len(succeeded(told)):
            raise Harm("what one set the other undid unseen")


async def row_of_settings(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch, institution_store, "SAVE_SETTINGS", " and row_mac = $2", " and $2::bytea is not null"
    )


async def two_machines_with_one_code(dsn: str) -> None:
    """A slip with an activation code was photographed."""
    async with a_house(dsn) as house:
        _, code = await institution.enrol_terminal(
            house.ctx, house.institution_id, name="自助机", public_place=True
        )
        works = [institution.activate_terminal(house.ctx, code) for _ in "12"]
        if len(succeeded(await at_once(dsn, "terminal", *works))) != 1:
            raise Harm("one code activates two machines")


async def one_activation(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        institution_store,
        "ACTIVATE_TERMINAL",
        " and activation_hash = $3 and state = 'ENROLLED'",
        " and $3::bytea is not null",
    )


async def a_request_that_was_overheard(dsn: str) -> None:
    """The same signed bytes arrive twice in one moment."""
    async with a_house(dsn) as house:
        key, text = PrivateKey.generate(), b"the eight lines"
        row = await institution.enrol_application(
            house.ctx,
            house.institution_id,
            name="HIS",
            public_key=key.public.to_bytes(),
            scopes=frozenset({"bill"}),
        )
        claimed = Claimed(
            scheme=SCHEME_APPLICATION,
            caller_id=house.ctx.public_ids.text(house.institution_id, row.application_id),
            timestamp=int(house.clock.now().timestamp()),
            nonce="n" * 24,
            signature=key.sign(text),
        )
        works = [institution.prove(house.ctx, claimed, text, True) for _ in "12"]
        if len(succeeded(await at_once(dsn, "request_nonce", *works))) != 1:
            raise Harm("a request that was overheard counts again")


async def one_use_of_a_nonce(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, institution_store, "INSERT_NONCE")
    await run(dsn, "alter table request_nonce drop constraint request_nonce_pk")


async def a_list_that_was_being_signed(dsn: str) -> None:
    """A certificate is revoked while the list of the revoked is signed without it."""
    async with a_house(dsn) as house:
        now = house.clock.now()
        version = (await authority.current(house.ctx)).version
        async with connection(house.ctx.pool) as conn:
            before = await store_certificates.find_authority(conn, version)
            assert before is not None
            await store_certificates.stale_crl(conn, version)
            number = before.crl_number
            signed = msgspec.structs.replace(
                before, crl=b"without it", crl_number=number + 1, crl_fresh_until=now
            )
            await store_certificates.store_crl(conn, signed, was=number)
            after = await store_certificates.find_authority(conn, version)
        if after is None or after.crl_fresh_until is not None:
            raise Harm("a list is given out that leaves out a revoked one")


async def number_of_a_list(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        store_certificates,
        "STORE_CRL",
        " and crl_number = $5",
        " and $5::bigint is not null",
    )


async def a_late_answer_about_somebody_uninsured(dsn: str) -> None:
    """A kiosk heard from the bureau that he is insured; a later answer, told to another, that he is
    no more, is written first."""
    async with a_desk(dsn) as desk:
        ctx, house = desk.ctx, desk.house
        view = await credential.person.read(ctx, house.record_id)
        number_hash = ctx.sealer.blind(credential_rules.NUMBER_KIND, "P1")
        async with transaction(ctx.pool) as conn:
            await credential._insert(conn, ctx, view, "nhsa", ("P1", ENROLLED), number_hash)
        async with connection(ctx.pool) as conn:
            (stale,) = await credential._linked(conn, ctx, house.record_id)
        await _end(house, stale)
        async with transaction(ctx.pool) as conn:
            await credential._confirm(conn, ctx, stale, ENROLLED)
        async with connection(ctx.pool) as conn:
            if await credential._linked(conn, ctx, house.record_id):
                raise Harm("what ended is linked again")


async def _end(house: House, row: Credential) -> None:
    assert row.state is CredentialState.LINKED
    async with transaction(house.ctx.pool) as conn:
        await credential._end(conn, house.ctx, row)


async def check_of_a_credential(patch: pytest.MonkeyPatch, dsn: str) -> None:
    checked, instead = "checked_at = $3", "$3::timestamptz is not null"
    without(patch, credential_store, "UPDATE_CREDENTIAL", checked, instead)
    without(patch, credential_store, "UPDATE_CREDENTIAL", "\n  and state = 'LINKED'")


def _item(house: House, kind: str = "payment", reason: str = "amount-differs") -> NewItem:
    return NewItem(
        record_id=house.record_id if kind == "payment" else 0,
        kind=kind,
        subject_id=7,
        institution_id=house.institution_id,
        reason=reason,
        evidence={},
    )


async def _closing(dsn: str, house: House) -> str | None:
    async with connection(house.ctx.pool) as conn:
        found: str | None = await conn.fetchval("select closing from work_item")
    return found


async def two_operators_end_one_item(dsn: str) -> None:
    """Each has his own reason, and each is told that his stands."""
    async with a_house(dsn) as house:
        async with transaction(house.ctx.pool) as conn:
            await casework.open_item(conn, house.ctx, _item(house))
        (item,) = await casework.list_open(house.ctx, 10)
        works = [
            casework.close_by_hand(house.ctx, item.record_id, item.item_id, Decided(by, "seen"))
            for by in ("li", "wang")
        ]
        if len(succeeded(await at_once(dsn, "work_item", *works))) != 1:
            raise Harm("two ended one item, and one of them is forgotten")


async def one_end_of_an_item(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, casework_store, "CLOSE_ITEM", " and closed_at is null")


async def a_later_end_of_what_is_over(dsn: str) -> None:
    """An item ended with its refund sent again; then that refund arrives."""
    async with a_house(dsn) as house:
        of = ItemsOf(record_id=house.record_id, kind="payment", subject_id=7)
        async with transaction(house.ctx.pool) as conn:
            await casework.open_item(conn, house.ctx, _item(house))
        for closing in ("sent-again", "refunded"):
            async with transaction(house.ctx.pool) as conn:
                await casework.close_items_of(conn, house.ctx, of, closing)
        if await _closing(dsn, house) != "sent-again":
            raise Harm("what ended an item is written over")


async def first_end_counts(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, casework_store, "CLOSE_OF", " and closed_at is null")


async def a_later_end_of_what_stood(dsn: str) -> None:
    """An alarm was ended by one round; the next finds nothing either."""
    async with a_house(dsn) as house:
        kind = "certificate"
        await casework.keep_standing(house.ctx, kind, [_item(house, kind)], "not at all")
        for closing in ("renewed", "ended"):
            await casework.keep_standing(house.ctx, kind, [], closing)
        if await _closing(dsn, house) != "renewed":
            raise Harm("what ended an item is written over")


async def first_end_of_what_stood(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, casework_store, "CLOSE_OTHERS", " and closed_at is null")


class NoLines:
    """A statement of a day without trades."""

    totals = StatementTotals()

    def lines(self) -> Any:
        return iter(())


async def two_runs_load_one_day(dsn: str) -> None:
    """A clerk runs what the timer runs too."""
    await run(dsn, MEET_IN_FILES)
    async with a_house(dsn) as house:
        works = [
            loading.take(house.ctx, COUNTED, DAY, content, NoLines())  # type: ignore[arg-type]
            for content in (b"1", b"2")
        ]
        await meeting(dsn, HOLD_FILES, *works)
        async with connection(house.ctx.pool) as conn:
            active = await conn.fetchval(
                "select count(*) from statement_file where state = 'ACTIVE'"
            )
        if active != 1:
            raise Harm("a day has two statements in use")


async def one_file_a_day(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await run(dsn, "drop index statement_file_one")


async def _difference(house: House, found: Class, closing: str | None) -> None:
    row = ("T1", "trade", PROVIDER, ACCOUNT, DAY, 5, found, 0, None, {"n": str(closing)})
    async with connection(house.ctx.pool) as conn:
        await reconcile_store.upsert_differences(conn, [(*row, house.clock.now(), closing)])


async def an_open_difference_that_a_run_explains(dsn: str) -> None:
    """It has a work item; only who closes both may close it."""
    async with a_house(dsn) as house:
        await _difference(house, Class.ONLY_THERE, None)
        await _difference(house, Class.ONLY_THERE, "listed-next-day")
        async with connection(house.ctx.pool) as conn:
            if await reconcile_store.count_open(conn, COUNTED, DAY) != 1:
                raise Harm("a difference is gone, and its item stays")


async def open_until_its_item_ends(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        reconcile_store,
        "UPSERT_DIFFERENCE",
        "\n  and not (held.state = 'OPEN' and excluded.state = 'CLOSED')",
    )


async def two_runs_close_one_difference(dsn: str) -> None:
    """The second has another reason, found a moment later."""
    async with a_house(dsn) as house:
        await _difference(house, Class.ONLY_THERE, None)
        closing = reconcile_store.Closing(
            own_no="T1", kind="trade", day=DAY, held_class=Class.ONLY_THERE, reason="listed"
        )
        later = msgspec.structs.replace(closing, reason="refunded")
        async with connection(house.ctx.pool) as conn:
            for one in (closing, later):
                await reconcile_store.close_difference(conn, COUNTED, one, house.clock.now())
            if await conn.fetchval("select closing from statement_difference") != "listed":
                raise Harm("why a difference ended is written over")


async def first_reason_counts(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, reconcile_store, "CLOSE_DIFFERENCE", "\n  and state = 'OPEN'")


GUARDS = [
    Guard(
        name="unique key: code of a hospital",
        holds=frozenset({"institution_code", "institution.store.INSERT_INSTITUTION"}),
        harm="two hospitals bear one code",
        scenario=two_enrol_one_hospital,
        take_out=one_code_a_hospital,
    ),
    Guard(
        name="compare-and-set: settings of a hospital",
        holds=frozenset({"institution.store.SAVE_SETTINGS"}),
        harm="the other undid unseen",
        scenario=two_set_up_one_hospital,
        take_out=row_of_settings,
    ),
    Guard(
        name="compare-and-set: activation of a terminal",
        holds=frozenset({"institution.store.ACTIVATE_TERMINAL"}),
        harm="one code activates two machines",
        scenario=two_machines_with_one_code,
        take_out=one_activation,
    ),
    Guard(
        name="primary key: nonce of a request",
        holds=frozenset({"institution.store.INSERT_NONCE"}),
        harm="counts again",
        scenario=a_request_that_was_overheard,
        take_out=one_use_of_a_nonce,
    ),
    Guard(
        name="compare-and-set: list of revoked certificates",
        holds=frozenset({"institution.store_certificates.STORE_CRL"}),
        harm="leaves out a revoked one",
        scenario=a_list_that_was_being_signed,
        take_out=number_of_a_list,
    ),
    Guard(
        name="compare-and-set: credential",
        holds=frozenset({"credential.store.UPDATE_CREDENTIAL"}),
        harm="what ended is linked again",
        scenario=a_late_answer_about_somebody_uninsured,
        take_out=check_of_a_credential,
    ),
    Guard(
        name="compare-and-set: work item",
        holds=frozenset({"casework.store.CLOSE_ITEM"}),
        harm="one of them is forgotten",
        scenario=two_operators_end_one_item,
        take_out=one_end_of_an_item,
    ),
    Guard(
        name="compare-and-set: items of a subject",
        holds=frozenset({"casework.store.CLOSE_OF"}),
        harm="written over",
        scenario=a_later_end_of_what_is_over,
        take_out=first_end_counts,
    ),
    Guard(
        name="compare-and-set: items of what stands",
        holds=frozenset({"casework.store.CLOSE_OTHERS"}),
        harm="written over",
        scenario=a_later_end_of_what_stood,
        take_out=first_end_of_what_stood,
    ),
    Guard(
        name="unique key: statement of a day",
        holds=frozenset({"statement_file_one", "reconcile.store.INSERT_FILE"}),
        harm="two statements in use",
        scenario=two_runs_load_one_day,
        take_out=one_file_a_day,
    ),
    Guard(
        name="compare-and-set: open difference",
        holds=frozenset({"reconcile.store.UPSERT_DIFFERENCE"}),
        harm="its item stays",
        scenario=an_open_difference_that_a_run_explains,
        take_out=open_until_its_item_ends,
    ),
    Guard(
        name="compare-and-set: end of a difference",
        holds=frozenset({"reconcile.store.CLOSE_DIFFERENCE"}),
        harm="written over",
        scenario=two_runs_close_one_difference,
        take_out=first_reason_counts,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
