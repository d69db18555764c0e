"""Our words to the partner's nodes (dossier 1.5, 1.7). Pure; requests only."""

from integrations.insurance_nhsa import wire, wire_clearing, wire_settlement
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.kit.clocktext import spaced_text
from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    ClearingTotals,
    Insured,
    PersonQuery,
    SettleRequest,
    SplitRequest,
    Visit,
)
from integrations.ports.money import yuan_text

TOKEN_PROOF = "01"  # noqa: S105 - a dictionary code: e-credential token
ID_NUMBER_PROOF = "02"
WESTERN_DIAGNOSIS = "1"
BATCH_LINES_MAX = 100
"""Commonly met limit of one 2204 (dossier 1.7); not confirmed by a public source."""


def scaled_text(value: int, digits: int) -> str:
    """A scaled integer as decimal text with all its digits: ``scaled_text(25000, 4)`` is 2.5000."""
    sign, size = ("-", -value) if value < 0 else ("", value)
    scale = 10**digits
    return f"{sign}{size // scale}.{size % scale:0{digits}d}"


def proof_of(insured: Insured) -> tuple[str, str]:
    """``mdtrt_cert_type`` and ``mdtrt_cert_no``: the token while there is one."""
    if insured.token is not None:
        return TOKEN_PROOF, insured.token
    return ID_NUMBER_PROOF, insured.id_no


def person_input(query: PersonQuery, call: CallId) -> wire.PersonInput:
    """1101 by token or by ID number."""
    kind = ID_NUMBER_PROOF if query.token is None else TOKEN_PROOF
    return wire.PersonInput(
        data=wire.PersonData(
            mdtrt_cert_type=kind,
            mdtrt_cert_no=query.token or query.id_no or "",
            card_sn="",
            begntime=spaced_text(call.at),
            psn_cert_type="01",
            certno=query.id_no or "",
            psn_name=query.name or "",
        )
    )


def visit_input(insured: Insured, visit: Visit) -> wire.VisitInput:
    """2201."""
    kind, number = proof_of(insured)
    return wire.VisitInput(
        data=wire.VisitData(
            psn_no=insured.person_no,
            insutype=insured.insurance_type,
            begntime=spaced_text(visit.began_at),
            mdtrt_cert_type=kind,
            mdtrt_cert_no=number,
            ipt_otp_no=visit.visit_no,
            atddr_no=visit.doctor_no,
            dr_name=visit.doctor_name,
            dept_code=visit.department_no,
            dept_name=visit.department_name,
            caty=visit.speciality,
        )
    )


def diagnoses_input(insured: Insured, visit_ref: str, visit: Visit) -> wire.DiagnosesInput:
    """2203A. The main diagnosis goes first."""
    began = spaced_text(visit.began_at)
    ordered = sorted(visit.diagnoses, key=lambda diagnosis: not diagnosis.main)
    return wire.DiagnosesInput(
        mdtrtinfo=wire.MdtrtInfo(
            mdtrt_id=visit_ref,
            psn_no=insured.person_no,
            med_type=visit.visit_type,
            begntime=began,
            main_cond_dscr="",
            dise_codg="",
            dise_name="",
            birctrl_type="",
            birctrl_matn_date="",
        ),
        diseinfo=[
            wire.DiseInfo(
                diag_type=WESTERN_DIAGNOSIS,
                diag_srt_no=str(place),
                diag_code=diagnosis.code,
                diag_name=diagnosis.name,
                diag_dept=visit.department_no,
                dise_dor_no=visit.doctor_no,
                dise_dor_name=visit.doctor_name,
                diag_time=began,
                vali_flag="1",
            )
            for place, diagnosis in enumerate(ordered, start=1)
        ],
    )


def charge_node(
    insured: Insured, visit_ref: str, batch_no: str, visit: Visit, line: ChargeLine, approval: str
) -> wire.FeeDetail:
    """One line of 2204. What our bill does not know is sent empty, as the samples do."""
    return wire.FeeDetail(
        feedetl_sn=line.line_no,
        mdtrt_id=visit_ref,
        psn_no=insured.person_no,
        chrg_bchno=batch_no,
        dise_codg="",
        rxno="",
        rx_circ_flag="0",
        fee_ocur_time=spaced_text(line.charged_at),
        med_list_codg=line.catalogue_code,
        medins_list_codg=line.local_code,
        det_item_fee_sumamt=yuan_text(line.amount_fen),
        cnt=scaled_text(line.quantity_e4, 4),
        pric=scaled_text(line.unit_price_e6, 6),
        sin_dos_dscr="",
        used_frqu_dscr="",
        prd_days="",
        medc_way_dscr="",
        bilg_dept_codg=visit.department_no,
        bilg_dept_name=visit.department_name,
        bilg_dr_codg=visit.doctor_no,
        bilg_dr_name=visit.doctor_name,
        acord_dept_codg="",
        acord_dept_name="",
        orders_dr_code="",
        orders_dr_name="",
        hosp_appr_flag=approval,
        tcmdrug_used_way="",
        etip_flag="0",
        etip_hosp_code="",
        dscg_tkdrug_flag="0",
        matn_fee_flag="0",
    )


def withdraw_input(insured: Insured, visit_ref: str, batch_no: str) -> wire.WithdrawInput:
    """2205."""
    return wire.WithdrawInput(
        data=wire.WithdrawData(mdtrt_id=visit_ref, chrg_bchno=batch_no, psn_no=insured.person_no)
    )


def cancel_visit_input(insured: Insured, visit_ref: str, visit_no: str) -> wire.CancelVisitInput:
    """2202."""
    return wire.CancelVisitInput(
        data=wire.CancelVisitData(psn_no=insured.person_no, mdtrt_id=visit_ref, ipt_otp_no=visit_no)
    )


def presettle_input(
    request: SplitRequest, settings: NhsaSettings
) -> wire_settlement.PresettleInput:
    """2206 and 2206A."""
    kind, number = proof_of(request.insured)
    return wire_settlement.PresettleInput(
        data=wire_settlement.PresettleData(
            psn_no=request.insured.person_no,
            mdtrt_cert_type=kind,
            mdtrt_cert_no=number,
            med_type=request.visit_type,
            medfee_sumamt=yuan_text(request.total_fen),
            psn_setlway=settings.settlement_way,
            mdtrt_id=request.visit_ref,
            chrg_bchno=request.batch_no,
            acct_used_flag="1" if request.use_account else "0",
            insutype=request.insured.insurance_type,
        )
    )


def settle_input(request: SettleRequest, settings: NhsaSettings) -> wire_settlement.SettleInput:
    """2207 and 2207A. The four parts are those that the pre-settlement promised."""
    asked, promised = request.split, request.promised
    kind, number = proof_of(asked.insured)
    return wire_settlement.SettleInput(
        data=wire_settlement.SettleData(
            psn_no=asked.insured.person_no,
            mdtrt_cert_type=kind,
            mdtrt_cert_no=number,
            med_type=asked.visit_type,
            medfee_sumamt=yuan_text(asked.total_fen),
            psn_setlway=settings.settlement_way,
            mdtrt_id=asked.visit_ref,
            chrg_bchno=asked.batch_no,
            acct_used_flag="1" if asked.use_account else "0",
            insutype=asked.insured.insurance_type,
            invono=request.invoice_no,
            fulamt_ownpay_amt=yuan_text(promised.full_own_fen),
            overlmt_selfpay=yuan_text(promised.over_limit_fen),
            preselfpay_amt=yuan_text(promised.first_pay_fen),
            inscp_scp_amt=yuan_text(promised.in_scope_fen),
        )
    )


def reverse_input(
    insured: Insured, visit_ref: str, settlement_ref: str
) -> wire_settlement.ReverseInput:
    """2208."""
    return wire_settlement.ReverseInput(
        data=wire_settlement.ReverseData(
            setl_id=settlement_ref, mdtrt_id=visit_ref, psn_no=insured.person_no
        )
    )


def undo_input(insured: Insured, of_call: CallId, infno: str) -> wire_settlement.UndoInput:
    """2601: names the uncertain message by its ``msgid`` and transaction number."""
    return wire_settlement.UndoInput(
        data=wire_settlement.UndoData(
            psn_no=insured.person_no, omsgid=of_call.message_no, oinfno=infno
        )
    )


def totals_input(totals: ClearingTotals, settings: NhsaSettings) -> wire_clearing.StatementInput:
    """3201: signed yuan texts; days as the partner writes them."""
    return wire_clearing.StatementInput(
        data=wire_clearing.StatementData(
            insutype=totals.insurance_type,
            clr_type=totals.clearing_type or settings.clearing_type,
            setl_optins=totals.region or settings.area,
            stmt_begndate=totals.first_day.isoformat(),
            stmt_enddate=totals.last_day.isoformat(),
            medfee_sumamt=yuan_text(totals.total_fen),
            fund_pay_sumamt=yuan_text(totals.fund_fen),
            acct_pay=yuan_text(totals.account_fen),
            fixmedins_setl_cnt=str(totals.count),
        )
    )
