"""What travels, before sealing, at the mobile payment centre (6201 to 6203, 6301, 6302, 6401).

Field names are the partner's own (dossier 5.2). Business values are strings; ``mobile`` seals them.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Any

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire


class MobileDisease(Wire):
    """6201 in: one of ``diseinfoList``."""

    diagType: Text = UNSET
    diagSrtNo: Text = UNSET
    diagCode: Text = UNSET
    diagName: Text = UNSET
    diagDept: Text = UNSET
    diseDorNo: Text = UNSET
    diseDorName: Text = UNSET
    diagTime: Text = UNSET
    valiFlag: Text = UNSET


class MobileFee(Wire):
    """6201 in: one of ``feedetailList``."""

    feedetlSn: Text = UNSET
    mdtrtId: Text = UNSET
    psnNo: Text = UNSET
    chrgBchno: Text = UNSET
    diseCodg: Text = UNSET
    rxno: Text = UNSET
    rxCircFlag: Text = UNSET
    feeOcurTime: Text = UNSET
    medListCodg: Text = UNSET
    medinsListCodg: Text = UNSET
    detItemFeeSumamt: Text = UNSET
    cnt: Text = UNSET
    pric: Text = UNSET
    sinDosDscr: Text = UNSET
    usedFrquDscr: Text = UNSET
    prdDays: Text = UNSET
    medcWayDscr: Text = UNSET
    bilgDeptCodg: Text = UNSET
    bilgDeptName: Text = UNSET
    bilgDrCodg: Text = UNSET
    bilgDrName: Text = UNSET
    acordDeptCodg: Text = UNSET
    acordDeptName: Text = UNSET
    ordersDrCode: Text = UNSET
    ordersDrName: Text = UNSET
    hospApprFlag: Text = UNSET
    tcmdrugUsedWay: Text = UNSET
    etipFlag: Text = UNSET
    etipHospCode: Text = UNSET
    dscgTkdrugFlag: Text = UNSET
    matnFeeFlag: Text = UNSET


class UploadFeesRequest(Wire):
    """6201 in. Exactly one of ``ecToken`` and ``payAuthNo``."""

    diseinfoList: list[MobileDisease] | UnsetType | None = UNSET
    feedetailList: list[MobileFee] | UnsetType | None = UNSET
    expContent: Any = UNSET
    extData: dict[str, Any] | UnsetType | None = UNSET
    ecToken: Text = UNSET
    payAuthNo: Text = UNSET
    orgCodg: Text = UNSET
    orgId: Text = UNSET
    psnNo: Text = UNSET
    insutype: Text = UNSET
    medOrgOrd: Text = UNSET
    initRxOrd: Text = UNSET
    rxCircFlag: Text = UNSET
    begntime: Text = UNSET
    idNo: Text = UNSET
    userName: Text = UNSET
    idType: Text = UNSET
    insuCode: Text = UNSET
    iptOtpNo: Text = UNSET
    atddrNo: Text = UNSET
    drName: Text = UNSET
    deptCode: Text = UNSET
    deptName: Text = UNSET
    caty: Text = UNSET
    mdtrtId: Text = UNSET
    medType: Text = UNSET
    feeType: Text = UNSET
    medfeeSumamt: Text = UNSET
    acctUsedFlag: Text = UNSET
    psnSetlway: Text = UNSET
    mdtrtCertType: Text = UNSET
    mdtrtCertNo: Text = UNSET
    chrgBchno: Text = UNSET
    pubHospRfomFlag: Text = UNSET
    fulamtOwnpayAmt: Text = UNSET
    overlmtSelfpay: Text = UNSET
    preselfpayAmt: Text = UNSET
    inscpScpAmt: Text = UNSET
    uldLatlnt: Text = UNSET
    diseCodg: Text = UNSET
    diseName: Text = UNSET
    mainCondDscr: Text = UNSET
    birctrlType: Text = UNSET
    birctrlMatnDate: Text = UNSET
    matnType: Text = UNSET
    gesoVal: Text = UNSET


class UploadFeesAnswer(Wire):
    """6201 out."""

    extData: dict[str, Any] | UnsetType | None = UNSET
    payOrdId: Text = UNSET
    payToken: Text = UNSET
    ordStas: Text = UNSET


class PayRequest(Wire):
    """6202 in."""

    expContent: Any = UNSET
    extData: dict[str, Any] | UnsetType | None = UNSET
    ecToken: Text = UNSET
    payAuthNo: Text = UNSET
    payOrdId: Text = UNSET
    payToken: Text = UNSET
    orgCodg: Text = UNSET
    orgBizSer: Text = UNSET
    chrgBchno: Text = UNSET
    feeType: Text = UNSET
    mdtrtId: Text = UNSET
    acctUsedFlag: Text = UNSET
    uldLatlnt: Text = UNSET
    deposit: Text = UNSET
    selfPayAmt: Text = UNSET
    setlTotlAmt: Text = UNSET
    insutype: Text = UNSET
    medType: Text = UNSET
    rxCircFlag: Text = UNSET


class MobileOrder(Wire):
    """6202 and 6301 out, 6302 in. While in progress the amounts may be absent."""

    expContent: Any = UNSET
    extData: dict[str, Any] | UnsetType | None = UNSET
    payOrdId: Text = UNSET
    ordStas: Text = UNSET
    callType: Text = UNSET
    medOrgOrd: Text = UNSET
    traceTime: Text = UNSET
    feeSumamt: Text = UNSET
    ownPayAmt: Text = UNSET
    psnAcctPay: Text = UNSET
    fundPay: Text = UNSET
    deposit: Text = UNSET
    acctMulaidPay: Text = UNSET
    hospPartAmt: Text = UNSET
    othFeeAmt: Text = UNSET
    selfAcctPay: Text = UNSET
    setlType: Text = UNSET
    revsToken: Text = UNSET
    payToken: Text = UNSET
    hiChrgTime: Text = UNSET
    hiDocSn: Text = UNSET
    hiRgstSn: Text = UNSET


class OrderQuestion(Wire):
    """6301 and 6401 in."""

    expContent: Any = UNSET
    payOrdId: Text = UNSET
    orgCodg: Text = UNSET
    payToken: Text = UNSET
    idNo: Text = UNSET
    userName: Text = UNSET
    idType: Text = UNSET


class RefundRequest(Wire):
    """6203 in. Exactly one of ``ecToken`` and ``payAuthNo``."""

    expContent: Any = UNSET
    payOrdId: Text = UNSET
    appRefdSn: Text = UNSET
    appRefdTime: Text = UNSET
    totlRefdAmt: Text = UNSET
    psnAcctRefdAmt: Text = UNSET
    fundRefdAmt: Text = UNSET
    cashRefdAmt: Text = UNSET
    ecToken: Text = UNSET
    payAuthNo: Text = UNSET
    refdType: Text = UNSET
    orgCodg: Text = UNSET
    payToken: Text = UNSET


class RefundAnswer(Wire):
    """6203 out. ``hiFefdSn`` is spelled so by the partner."""

    extData: dict[str, Any] | UnsetType | None = UNSET
    refdSn: Text = UNSET
    hiFefdSn: Text = UNSET
    hiTrnsDate: Text = UNSET
    hiTrnsTime: Text = UNSET
    refStatus: Text = UNSET


class RevokeAnswer(Wire):
    """6401 out."""

    success: bool | str | int | UnsetType | None = UNSET
    message: Text = UNSET
