"""Our words to the centre's nodes and back (dossier 5.2, 5.3). Pure. Business values are texts."""

from integrations.insurance_nhsa.amounts import read_fen, read_fen_or
from integrations.insurance_nhsa.envelope import text_of
from integrations.insurance_nhsa.mapping import WESTERN_DIAGNOSIS, scaled_text
from integrations.insurance_nhsa.orders import (
    CANDIDATE,
    FAILED,
    NEEDS_A_PERSON,
    PROCESSING,
    REFUNDED,
    order_faults,
    order_state,
)
from integrations.insurance_nhsa.settings import MobileSettings
from integrations.insurance_nhsa.wire_mobile import (
    MobileDisease,
    MobileFee,
    OrderQuestion,
    PayRequest,
    RefundAnswer,
    RefundRequest,
    UploadFeesRequest,
)
from integrations.insurance_nhsa.wire_mobile import MobileOrder as OrderNode
from integrations.kit.clocktext import compact_text, spaced_text
from integrations.ports.insurance import ChargeLine, Visit
from integrations.ports.insurance_mobile import (
    MobileAmounts,
    MobileFees,
    MobileOrder,
    MobileReturn,
    MobileReturned,
    MobileStage,
    MobileStatus,
    PayerProof,
    ReturnKind,
)
from integrations.ports.money import yuan_text
from integrations.ports.outcomes import Accepted, Rejected, Unknown

ID_CARD = "01"
FEE_TYPE = "01"
TOKEN_PROOF, ID_NUMBER_PROOF = "01", "02"
WHOLE = "6"
"""``ordStas`` of an order that is complete on every side."""
STAGES = {
    PROCESSING: MobileStage.OPEN,
    CANDIDATE: MobileStage.CANDIDATE,
    REFUNDED: MobileStage.RETURNED,
    FAILED: MobileStage.FAILED,
}
REVOKED = frozenset({"12"})
OWN_RETURNED = frozenset({"7", "9"})
INSURANCE_RETURNED = frozenset({"7", "8", "11", "13"})
"""``ordStas`` by what went back; 10 and 11 gave only a part of the own money back."""
AMOUNT_NAMES = ("feeSumamt", "fundPay", "psnAcctPay", "ownPayAmt", "hospPartAmt", "othFeeAmt")
KINDS = {ReturnKind.ALL: "ALL", ReturnKind.OWN: "CASH", ReturnKind.INSURANCE: "HI"}


def is_one_proof(proof: PayerProof) -> bool:
    """Exactly one of the two."""
    return bool(proof.token) != bool(proof.authorisation)


def fees_request(fees: MobileFees, settings: MobileSettings) -> UploadFeesRequest:
    """6201."""
    visit, insured = fees.visit, fees.insured
    return UploadFeesRequest(
        ecToken=fees.proof.token or "",
        payAuthNo=fees.proof.authorisation or "",
        orgCodg=settings.institution_code,
        psnNo=insured.person_no,
        insutype=insured.insurance_type,
        medOrgOrd=fees.order_no,
        begntime=compact_text(visit.began_at),
        idNo=insured.id_no,
        userName=fees.name,
        idType=ID_CARD,
        insuCode=insured.region,
        iptOtpNo=visit.visit_no,
        atddrNo=visit.doctor_no,
        drName=visit.doctor_name,
        deptCode=visit.department_no,
        deptName=visit.department_name,
        caty=visit.speciality,
        mdtrtId=fees.visit_ref or "",
        medType=visit.visit_type,
        feeType=FEE_TYPE,
        medfeeSumamt=yuan_text(fees.total_fen),
        acctUsedFlag="1" if fees.use_account else "0",
        psnSetlway=settings.settlement_way,
        mdtrtCertType=TOKEN_PROOF if fees.proof.token else ID_NUMBER_PROOF,
        chrgBchno=fees.batch_no,
        pubHospRfomFlag="0",
        fulamtOwnpayAmt=yuan_text(fees.scope.full_own_fen),
        overlmtSelfpay=yuan_text(fees.scope.over_limit_fen),
        preselfpayAmt=yuan_text(fees.scope.first_pay_fen),
        inscpScpAmt=yuan_text(fees.scope.in_scope_fen),
        uldLatlnt=fees.place,
        diseinfoList=_diseases(visit),
        feedetailList=[_fee(fees, visit, line, settings) for line in fees.lines],
    )


def _diseases(visit: Visit) -> list[MobileDisease]:
    ordered = sorted(visit.diagnoses, key=lambda diagnosis: not diagnosis.main)
    return [
        MobileDisease(
            diagType=WESTERN_DIAGNOSIS,
            diagSrtNo=str(place),
            diagCode=diagnosis.code,
            diagName=diagnosis.name,
            diagDept=visit.department_no,
            diseDorNo=visit.doctor_no,
            diseDorName=visit.doctor_name,
            diagTime=spaced_text(visit.began_at),
            valiFlag="1",
        )
        for place, diagnosis in enumerate(ordered, start=1)
    ]


def _fee(fees: MobileFees, visit: Visit, line: ChargeLine, settings: MobileSettings) -> MobileFee:
    return MobileFee(
        feedetlSn=line.line_no,
        mdtrtId=fees.visit_ref or "",
        psnNo=fees.insured.person_no,
        chrgBchno=fees.batch_no,
        rxCircFlag="0",
        feeOcurTime=spaced_text(line.charged_at),
        medListCodg=line.catalogue_code,
        medinsListCodg=line.local_code,
        detItemFeeSumamt=yuan_text(line.amount_fen),
        cnt=scaled_text(line.quantity_e4, 4),
        pric=scaled_text(line.unit_price_e6, 6),
        bilgDeptCodg=visit.department_no,
        bilgDeptName=visit.department_name,
        bilgDrCodg=visit.doctor_no,
        bilgDrName=visit.doctor_name,
        hospApprFlag=settings.approval_flag,
    )


def pay_request(
    order: MobileOrder, proof: PayerProof, settings: MobileSettings, *, use_account: bool
) -> PayRequest:
    """6202."""
    return PayRequest(
        ecToken=proof.token or "",
        payAuthNo=proof.authorisation or "",
        payOrdId=order.order_ref,
        payToken=order.order_token,
        orgCodg=settings.institution_code,
        orgBizSer=order.order_no,
        chrgBchno=order.batch_no,
        feeType=FEE_TYPE,
        mdtrtId=order.visit_ref or "",
        acctUsedFlag="1" if use_account else "0",
    )


def question(order: MobileOrder, settings: MobileSettings) -> OrderQuestion:
    """6301 and 6401."""
    return OrderQuestion(
        payOrdId=order.order_ref,
        orgCodg=settings.institution_code,
        payToken=order.order_token,
        idNo=order.id_no,
        userName=order.name,
        idType=ID_CARD,
    )


def refund_request(
    order: MobileOrder, asked: MobileReturn, settings: MobileSettings
) -> RefundRequest:
    """6203: the parts follow from the kind and from what was paid."""
    insured = asked.kind is not ReturnKind.OWN
    fund = asked.paid.fund_fen if insured else 0
    account = asked.paid.account_fen if insured else 0
    own = {
        ReturnKind.ALL: asked.paid.own_fen,
        ReturnKind.OWN: asked.own_fen,
        ReturnKind.INSURANCE: 0,
    }[asked.kind]
    return RefundRequest(
        payOrdId=order.order_ref,
        payToken=order.order_token,
        orgCodg=settings.institution_code,
        appRefdSn=asked.refund_no,
        appRefdTime=compact_text(asked.asked_at),
        totlRefdAmt=yuan_text(fund + account + own),
        psnAcctRefdAmt=yuan_text(account),
        fundRefdAmt=yuan_text(fund),
        cashRefdAmt=yuan_text(own),
        ecToken=asked.proof.token or "",
        payAuthNo=asked.proof.authorisation or "",
        refdType=KINDS[asked.kind],
    )


def paid_node(paid: MobileAmounts) -> OrderNode:
    """What was paid, as the refund check reads it."""
    return OrderNode(
        feeSumamt=yuan_text(paid.total_fen),
        fundPay=yuan_text(paid.fund_fen),
        psnAcctPay=yuan_text(paid.account_fen),
        ownPayAmt=yuan_text(paid.own_fen),
    )


def returned_of(answer: RefundAnswer) -> Accepted[MobileReturned] | Rejected | Unknown:
    """6203: EXP is neither done nor refused, and must never be sent again as if it had failed."""
    status = text_of(answer.refStatus)
    match status:
        case "SUCC" if text_of(answer.refdSn):
            return Accepted(
                MobileReturned(
                    refund_ref=text_of(answer.refdSn), insurance_ref=text_of(answer.hiFefdSn)
                )
            )
        case "FAIL":
            return Rejected(reason="refund-failed", provider_code=status, provider_text="")
        case "EXP":
            return Unknown("answer-contradicts", {"refStatus": status})
        case _:
            return Unknown("status-unlisted", {"refStatus": status[:16]})


def status_of(order: MobileOrder, node: OrderNode) -> Accepted[MobileStatus] | Unknown:
    """6202 and 6301: another order's answer or amounts that do not add up are not believed."""
    code = text_of(node.ordStas)
    stage = STAGES.get(order_state(code))
    same = text_of(node.medOrgOrd) in ("", order.order_no)
    if text_of(node.payOrdId) != order.order_ref or not same:
        return _contradicts(node, "other-order")
    if stage is None:
        return Unknown("status-unlisted", {"ordStas": code[:16]})
    amounts = None
    if text_of(node.feeSumamt) or stage is MobileStage.CANDIDATE:
        faults = order_faults(node)
        if not faults and read_fen(node.feeSumamt) != order.total_fen:
            faults = ["other-total"]
        if faults:
            return _contradicts(node, faults[0])
        amounts = _amounts(node)
    return Accepted(
        MobileStatus(
            order_ref=order.order_ref,
            stage=stage,
            code=code,
            whole=code == WHOLE,
            needs_person=code in NEEDS_A_PERSON,
            amounts=amounts,
            revoked=code in REVOKED,
            own_returned=code in OWN_RETURNED,
            insurance_returned=code in INSURANCE_RETURNED,
        )
    )


def _amounts(node: OrderNode) -> MobileAmounts:
    return MobileAmounts(
        total_fen=read_fen(node.feeSumamt),
        fund_fen=read_fen(node.fundPay),
        account_fen=read_fen(node.psnAcctPay),
        own_fen=read_fen(node.ownPayAmt),
        hospital_fen=read_fen_or(node.hospPartAmt, 0),
        other_fen=read_fen_or(node.othFeeAmt, 0),
    )


def _contradicts(node: OrderNode, fault: str) -> Unknown:
    """Raw amounts and numbers, nothing personal."""
    evidence = {
        name: text_of(getattr(node, name))[:64]
        for name in ("payOrdId", "medOrgOrd", "ordStas", *AMOUNT_NAMES)
        if text_of(getattr(node, name))
    }
    return Unknown("answer-contradicts", {**evidence, "faults": fault})
