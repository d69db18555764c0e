"""What the twin is told at its start, the bodies it reads as the partner spells them, its refusals.

Result codes other than ``S0000`` are the twin's own: no public source lists the platform's.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Annotated

import msgspec

SUCCESS = "S0000"
NOISE_REPEATED = "E1002"
BAD_FIELD = "E1003"
SUMS_DIFFER = "E1004"
NUMBER_USED = "E1005"
WRITTEN_OFF = "E1006"
UNKNOWN_PLACE = "E1007"
NO_SUCH_BILL = "E1404"

AMOUNT = r"^[0-9]{1,12}\.[0-9]{2}$"
MOMENT = r"^[0-9]{17}$"
Amount = Annotated[str, msgspec.Meta(pattern=AMOUNT)]
Moment = Annotated[str, msgspec.Meta(pattern=MOMENT)]
Text30 = Annotated[str, msgspec.Meta(min_length=1, max_length=30)]
Text50 = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
Text60 = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Text100 = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Text200 = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class TwinInstitution(msgspec.Struct, frozen=True, kw_only=True):
    """One institution the platform knows. ``batch`` is the code of its bills this year."""

    appid: str
    key: str
    place_codes: tuple[str, ...]
    name: str
    batch: str = "99010126"

    def __repr__(self) -> str:
        return f"TwinInstitution(appid={self.appid!r})"


class Refused(Exception):
    """A signed answer that is not success."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """The outer message both ways."""

    appid: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    data: Annotated[str, msgspec.Meta(max_length=4 * 1024 * 1024)]
    noise: Annotated[str, msgspec.Meta(min_length=16, max_length=64)]
    version: Annotated[str, msgspec.Meta(pattern=r"^1\.0$")]
    sign: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{32}$")]


class PayChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``payChannelDetail``."""

    payChannelCode: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2}$")]
    payChannelValue: Amount


class ChargeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``chargeDetail``."""

    sortNo: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    chargeCode: Text50
    chargeName: Text100
    std: str
    number: str
    amt: Amount
    selfAmt: Amount


class ListDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``listDetail``."""

    chargeCode: Text50
    name: Text100
    amt: Amount


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``otherInfo``."""

    infoName: Text100
    infoValue: Annotated[str, msgspec.Meta(max_length=200)]


Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What every method of issuing needs: the members that the document marks so."""

    busNo: Text50
    payer: Text100
    busDateTime: Moment
    placeCode: Text50
    payee: Text50
    author: Text100
    totalAmt: Amount
    cardType: Annotated[str, msgspec.Meta(min_length=1, max_length=10)]
    cardNo: Text50
    medicalCareType: Text60
    sex: Annotated[str, msgspec.Meta(min_length=1, max_length=4)]
    accountPay: Amount
    fundPay: Amount
    ownPay: Amount
    selfConceitedAmt: Amount
    selfPayAmt: Amount
    selfCashPay: Amount
    reimbursementAmt: Amount
    payChannelDetail: Annotated[list[PayChannel], msgspec.Meta(min_length=1, max_length=20)]
    isArrears: Annotated[str, msgspec.Meta(pattern="^[01]$")]
    chargeDetail: Annotated[list[ChargeDetail], msgspec.Meta(min_length=1, max_length=200)]
    listDetail: Annotated[list[ListDetail], msgspec.Meta(max_length=2000)]
    otherInfo: Annotated[list[Remark], msgspec.Meta(max_length=100)] = []


class OutpatientBill(Bill, frozen=True, kw_only=True):
    """``invoiceEBillOutpatient``."""

    busType: Annotated[str, msgspec.Meta(pattern="^02$")]
    consultationDate: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{8}$")]
    patientCategory: Text60


class HospitalizedBill(Bill, frozen=True, kw_only=True):
    """``invEBillHospitalized``: as one public hospital system fills it in."""

    busType: Annotated[str, msgspec.Meta(pattern="^01$")]
    category: Text50
    categoryCode: Text50
    leaveCategory: Text50
    leaveCategoryCode: Text50
    caseNumber: Text50
    inHospitalDate: Day
    outHospitalDate: Day
    otherfundPay: Amount


class FindBody(msgspec.Struct, frozen=True, kw_only=True):
    """``getEBillByBusNo``."""

    busNo: Text50
    busDateTime: Moment


class WriteOffBody(msgspec.Struct, frozen=True, kw_only=True):
    """``writeOffEBill``."""

    billBatchCode: Text50
    billNo: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
    reason: Text200
    operator: Text60
    busDateTime: Moment
    placeCode: Text50


class StatesBody(msgspec.Struct, frozen=True, kw_only=True):
    """``getEBillStatesByBillInfo``."""

    billBatchCode: Text50
    billNo: Annotated[str, msgspec.Meta(min_length=1, max_length=20)]
