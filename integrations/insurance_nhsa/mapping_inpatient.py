"""Our words to the nodes of the inpatient chain (dossier 1.8). Pure; requests only."""

from integrations.insurance_nhsa import wire_inpatient as wire
from integrations.insurance_nhsa.mapping import WESTERN_DIAGNOSIS, proof_of, scaled_text
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.kit.clocktext import spaced_text
from integrations.ports.insurance import Diagnosis, Insured
from integrations.ports.insurance_inpatient import Admission, Discharge, StayCharge, StaySplit
from integrations.ports.money import yuan_text

EVERY_LINE = "0000"


def _main_first(diagnoses: list[Diagnosis]) -> list[Diagnosis]:
    return sorted(diagnoses, key=lambda diagnosis: not diagnosis.main)


def _main(diagnoses: list[Diagnosis]) -> Diagnosis:
    """The main diagnosis; without any, an empty one, which the bureau refuses."""
    nothing = Diagnosis(code="", name="", main=True)
    return next(iter(_main_first(diagnoses)), nothing)


def admission_input(
    insured: Insured, admission: Admission, stay_ref: str | None
) -> wire.AdmissionInput:
    """2401, and 2403 where the stay has its number."""
    kind, number = proof_of(insured)
    main = _main(admission.diagnoses)
    node = wire.AdmissionInfo(
        psn_no=insured.person_no,
        insutype=insured.insurance_type,
        coner_name=admission.contact_name,
        tel=admission.contact_phone,
        begntime=spaced_text(admission.began_at),
        mdtrt_cert_type=kind,
        mdtrt_cert_no=number,
        med_type=admission.visit_type,
        ipt_no=admission.stay_no,
        medrcdno="",
        atddr_no=admission.doctor_no,
        chfpdr_name=admission.doctor_name,
        adm_diag_dscr=admission.diagnosis_text,
        adm_dept_codg=admission.department_no,
        adm_dept_name=admission.department_name,
        adm_bed=admission.bed,
        dscg_maindiag_code=main.code,
        dscg_maindiag_name=main.name,
        main_cond_dscr="",
        dise_codg="",
        dise_name="",
    )
    rows = [
        wire.AdmissionDisease(
            psn_no=insured.person_no,
            diag_type=WESTERN_DIAGNOSIS,
            maindiag_flag="1" if diagnosis.main else "0",
            diag_srt_no=str(place),
            diag_code=diagnosis.code,
            diag_name=diagnosis.name,
            adm_cond="",
            diag_dept=admission.department_no,
            dise_dor_no=admission.doctor_no,
            dise_dor_name=admission.doctor_name,
            diag_time=spaced_text(admission.began_at),
        )
        for place, diagnosis in enumerate(_main_first(admission.diagnoses), start=1)
    ]
    if stay_ref is not None:
        node.mdtrt_id = stay_ref
        for row in rows:
            row.mdtrt_id = stay_ref
    return wire.AdmissionInput(mdtrtinfo=node, diseinfo=rows)


def discharge_input(insured: Insured, stay_ref: str, discharge: Discharge) -> wire.DischargeInput:
    """2402."""
    ended = spaced_text(discharge.ended_at)
    return wire.DischargeInput(
        dscginfo=wire.DischargeInfo(
            mdtrt_id=stay_ref,
            psn_no=insured.person_no,
            insutype=insured.insurance_type,
            endtime=ended,
            dise_codg="",
            dise_name="",
            cop_flag="0",
            dscg_dept_codg=discharge.department_no,
            dscg_dept_name=discharge.department_name,
            dscg_bed=discharge.bed,
            dscg_way=discharge.way,
            die_date="",
        ),
        diseinfo=[
            wire.DischargeDisease(
                mdtrt_id=stay_ref,
                psn_no=insured.person_no,
                diag_type=WESTERN_DIAGNOSIS,
                maindiag_flag="1" if diagnosis.main else "0",
                diag_srt_no=str(place),
                diag_code=diagnosis.code,
                diag_name=diagnosis.name,
                adm_cond="",
                diag_dept=discharge.department_no,
                dise_dor_no=discharge.doctor_no,
                dise_dor_name=discharge.doctor_name,
                diag_time=ended,
                dscg_time=ended,
            )
            for place, diagnosis in enumerate(_main_first(discharge.diagnoses), start=1)
        ],
    )


def cancel_input(insured: Insured, stay_ref: str) -> wire.CancelStayInput:
    """2404 and 2405."""
    return wire.CancelStayInput(
        data=wire.CancelStayData(mdtrt_id=stay_ref, psn_no=insured.person_no)
    )


def charges_input(
    insured: Insured,
    stay_ref: str,
    admission: Admission,
    lines: list[StayCharge],
    settings: NhsaSettings,
) -> wire.InpatientChargesInput:
    """2301. A return names its line in ``init_feedetl_sn`` and is below zero."""
    return wire.InpatientChargesInput(
        feedetail=[_charge(insured, stay_ref, admission, line, settings) for line in lines]
    )


def _charge(
    insured: Insured,
    stay_ref: str,
    admission: Admission,
    line: StayCharge,
    settings: NhsaSettings,
) -> wire.InpatientFee:
    return wire.InpatientFee(
        feedetl_sn=line.line_no,
        init_feedetl_sn=line.returns or "",
        mdtrt_id=stay_ref,
        drord_no=line.order_no,
        psn_no=insured.person_no,
        med_type=admission.visit_type,
        fee_ocur_time=spaced_text(line.charged_at),
        med_list_codg=line.catalogue_code,
        medins_list_codg=line.local_code,
        det_item_fee_sumamt=yuan_text(line.amount_fen),
        cnt=scaled_text(line.quantity_e4, 4),
        pric=scaled_text(line.unit_price_e6, 6),
        bilg_dept_codg=admission.department_no,
        bilg_dept_name=admission.department_name,
        bilg_dr_codg=admission.doctor_no,
        bilg_dr_name=admission.doctor_name,
        acord_dept_codg="",
        acord_dept_name="",
        orders_dr_code="",
        orders_dr_name="",
        hosp_appr_flag=settings.approval_flag,
        tcmdrug_used_way="",
        etip_flag="0",
        etip_hosp_code="",
        dscg_tkdrug_flag="0",
        matn_fee_flag="0",
        memo="",
    )


def withdraw_input(
    insured: Insured, stay_ref: str, line_no: str | None
) -> wire.InpatientWithdrawInput:
    """2302."""
    return wire.InpatientWithdrawInput(
        data=wire.InpatientWithdrawData(
            feedetl_sn=EVERY_LINE if line_no is None else line_no,
            mdtrt_id=stay_ref,
            psn_no=insured.person_no,
        )
    )


def settle_input(
    asked: StaySplit, invoice_no: str, settings: NhsaSettings
) -> wire.InpatientSettleInput:
    """2303 and 2304."""
    kind, number = proof_of(asked.insured)
    out = asked.discharged_on
    return wire.InpatientSettleInput(
        data=wire.InpatientSettleData(
            psn_no=asked.insured.person_no,
            mdtrt_cert_type=kind,
            mdtrt_cert_no=number,
            medfee_sumamt=yuan_text(asked.total_fen),
            psn_setlway=settings.settlement_way,
            mdtrt_id=asked.stay_ref,
            acct_used_flag="1" if asked.use_account else "0",
            insutype=asked.insured.insurance_type,
            invono=invoice_no,
            mid_setl_flag="1" if asked.mid_stay else "0",
            fulamt_ownpay_amt=yuan_text(asked.scope.full_own_fen),
            overlmt_selfpay=yuan_text(asked.scope.over_limit_fen),
            preselfpay_amt=yuan_text(asked.scope.first_pay_fen),
            inscp_scp_amt=yuan_text(asked.scope.in_scope_fen),
            dscg_time="" if out is None else out.isoformat(),
        )
    )
