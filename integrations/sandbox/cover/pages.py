"""What the twin's book page shows: claims, policies, waiting faults; nothing of whose they are."""

from collections.abc import Sequence
from datetime import datetime

from integrations.sandbox.book_page import CLOCK, BookPage, Table, faults_of_methods, yuan
from integrations.sandbox.cover.book import Book
from integrations.sandbox.cover.faults import Fault
from integrations.sandbox.fault_plan import ScriptedFault

METHODS = ("adjudicate", "confirm", "find", "withdraw", "day")
STATES = {
    "OFFERED": "已试算",
    "CONFIRMED": "已赔付",
    "WITHDRAWN": "已撤销",
    "REFUSED": "已拒赔",
}


def page(book: Book, waiting: Sequence[ScriptedFault[Fault]], now: datetime) -> BookPage:
    """The book and the forms; ``now`` is business time."""
    card, faults = faults_of_methods(Fault, METHODS, "理赔号（可空）", waiting)
    return BookPage(
        partner="商业保险",
        now=now,
        cards=[card, CLOCK],
        tables=[
            faults,
            Table(
                title="理赔",
                columns=("理赔号", "授权号", "状态", "金额", "保险公司号", "医保结算号"),
                rows=[
                    (
                        one.claim_no,
                        one.authorisation,
                        STATES.get(one.state, one.state),
                        yuan(one.cover),
                        one.claim_ref,
                        one.settlement_ref,
                    )
                    for one in book.claims()
                ],
            ),
            Table(
                title="保单",
                columns=("授权号", "赔付比例", "免赔额", "已计免赔", "年限额", "已赔"),
                rows=[
                    (
                        one.authorisation,
                        f"{one.permille / 10:g}%",
                        yuan(one.deductible),
                        yuan(one.borne),
                        yuan(one.cap),
                        yuan(one.granted),
                    )
                    for one in book.policies()
                ],
            ),
        ],
    )
