"""The e-invoice platform's JSON, spelled as the partner spells it (dossier section 8).

Amounts are yuan texts with two places. Unknown members of an answer are passed over, the types of
known ones are strict and their sizes bounded. Decides nothing.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Annotated, Any, TypeVar

import msgspec

Short = Annotated[str, msgspec.Meta(max_length=64)]
Link = Annotated[str, msgspec.Meta(max_length=1024)]
Named = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

T = TypeVar("T")

OUTPATIENT, HOSPITALIZED = "02", "01"
"""``busType``; the platform maps the institution's own values."""


class WireInvalid(ValueError):
    """The node is not the one that the partner documents."""


def read(node: Any, kind: type[T]) -> T:
    """Strict conversion. Raises ``WireInvalid`` whatever the node is."""
    try:
        return msgspec.convert(node, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireInvalid("not the documented JSON") from None


class PayChannel(msgspec.Struct, frozen=True, kw_only=True):
    """Who paid how much."""

    payChannelCode: str
    payChannelValue: str


class ChargeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of charge."""

    sortNo: int
    chargeCode: str
    chargeName: str
    unit: str
    std: str
    number: str
    amt: str
    selfAmt: str


class ListDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One charged line."""

    listDetailNo: str
    chargeCode: str
    chargeName: str
    code: str
    name: str
    unit: str
    std: str
    number: str
    amt: str
    selfAmt: str


class OtherInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A named text on the invoice."""

    infoNo: str
    infoName: str
    infoValue: str


class OutpatientBill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``invoiceEBillOutpatient``."""

    busNo: str
    busType: str
    payer: str
    busDateTime: str
    placeCode: str
    payee: str
    author: str
    checker: str
    totalAmt: str
    cardType: str
    cardNo: str
    medicalInsuranceID: str | None = None
    medCareTypeCode: str
    medicalCareType: str
    consultationDate: str
    patientCategory: str
    patientCategoryCode: str
    patientNo: str | None = None
    sex: str
    age: str
    accountPay: str
    fundPay: str
    ownPay: str
    selfConceitedAmt: str
    selfPayAmt: str
    selfCashPay: str
    reimbursementAmt: str
    balancedNumber: str | None = None
    otherInfo: list[OtherInfo] | None = None
    payChannelDetail: list[PayChannel]
    isArrears: str
    chargeDetail: list[ChargeDetail]
    listDetail: list[ListDetail]


class HospitalizedBill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``invEBillHospitalized``: as a public hospital system fills it in, with the platform's own
    words on each field beside it. Of a stay in one department both departments are that one."""

    busNo: str
    busType: str
    payer: str
    busDateTime: str
    placeCode: str
    payee: str
    author: str
    checker: str
    totalAmt: str
    cardType: str
    cardNo: str
    medicalInsuranceID: str | None = None
    medCareTypeCode: str
    medicalCareType: str
    category: str
    categoryCode: str
    leaveCategory: str
    leaveCategoryCode: str
    patientNo: str | None = None
    caseNumber: str
    inHospitalDate: str
    """``yyyy-MM-dd``, as ``outHospitalDate``."""
    outHospitalDate: str
    sex: str
    age: str
    accountPay: str
    fundPay: str
    otherfundPay: str
    ownPay: str
    selfConceitedAmt: str
    selfPayAmt: str
    selfCashPay: str
    reimbursementAmt: str
    balancedNumber: str | None = None
    otherInfo: list[OtherInfo] | None = None
    payChannelDetail: list[PayChannel]
    isArrears: str
    chargeDetail: list[ChargeDetail]
    listDetail: list[ListDetail]


class IssuedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to issuing, and to ``getEBillByBusNo``, which names only the first three."""

    billBatchCode: Named
    billNo: Named
    random: Short
    createTime: Short = ""
    billQRCode: str = ""
    pictureUrl: Link = ""
    pictureNetUrl: Link = ""
    billBusDate: Short = ""


class FindBody(msgspec.Struct, frozen=True, kw_only=True):
    """``getEBillByBusNo``."""

    busNo: str
    busDateTime: str


class WriteOffBody(msgspec.Struct, frozen=True, kw_only=True):
    """``writeOffEBill``."""

    billBatchCode: str
    billNo: str
    reason: str
    operator: str
    busDateTime: str
    placeCode: str


class WrittenOffAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The red invoice."""

    eScarletBillBatchCode: Named
    eScarletBillNo: Named
    eScarletRandom: Short
    createTime: Short = ""
    billQRCode: str = ""
    pictureUrl: Link = ""
    pictureNetUrl: Link = ""


class StatesBody(msgspec.Struct, frozen=True, kw_only=True):
    """``getEBillStatesByBillInfo``."""

    billBatchCode: str
    billNo: str


class StatesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` 1 valid, 2 void; ``isScarlet`` 1 when a red invoice was made."""

    billBatchCode: Named
    billNo: Named
    state: Short
    isScarlet: Short
    scarletBillBatchCode: Short = ""
    scarletBillNo: Short = ""
    scarletRandom: Short = ""
