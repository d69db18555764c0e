"""What travels in the inpatient chain (2301 to 2305, 2401 to 2405) and at pharmacies (2102, 2103).

Field names are the partner's own (dossier 1.7, 1.8). Pharmacies are not yet acted upon.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Any

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire
from integrations.insurance_nhsa.wire import FeeResult
from integrations.insurance_nhsa.wire_settlement import SetlDetail, SetlInfo


class InpatientFee(Wire):
    """2301 in: one of ``feedetail``."""

    feedetl_sn: Text = UNSET
    init_feedetl_sn: Text = UNSET
    mdtrt_id: Text = UNSET
    drord_no: Text = UNSET
    psn_no: Text = UNSET
    med_type: Text = UNSET
    fee_ocur_time: Text = UNSET
    med_list_codg: Text = UNSET
    medins_list_codg: Text = UNSET
    det_item_fee_sumamt: Text = UNSET
    cnt: Text = UNSET
    pric: Text = UNSET
    bilg_dept_codg: Text = UNSET
    bilg_dept_name: Text = UNSET
    bilg_dr_codg: Text = UNSET
    bilg_dr_name: Text = UNSET
    acord_dept_codg: Text = UNSET
    acord_dept_name: Text = UNSET
    orders_dr_code: Text = UNSET
    orders_dr_name: Text = UNSET
    hosp_appr_flag: Text = UNSET
    tcmdrug_used_way: Text = UNSET
    etip_flag: Text = UNSET
    etip_hosp_code: Text = UNSET
    dscg_tkdrug_flag: Text = UNSET
    matn_fee_flag: Text = UNSET
    memo: Text = UNSET
    expContent: Any = UNSET


class InpatientChargesInput(Wire):
    """2301 in."""

    feedetail: list[InpatientFee] | UnsetType | None = UNSET


class InpatientWithdrawData(Wire):
    """2302 in: ``data``."""

    feedetl_sn: Text = UNSET
    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    expContent: Any = UNSET


class InpatientWithdrawInput(Wire):
    """2302 in."""

    data: InpatientWithdrawData | UnsetType | None = UNSET


class InpatientSettleData(Wire):
    """2303 and 2304 in: ``data``."""

    psn_no: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    medfee_sumamt: Text = UNSET
    psn_setlway: Text = UNSET
    mdtrt_id: Text = UNSET
    acct_used_flag: Text = UNSET
    insutype: Text = UNSET
    invono: Text = UNSET
    mid_setl_flag: Text = UNSET
    fulamt_ownpay_amt: Text = UNSET
    overlmt_selfpay: Text = UNSET
    preselfpay_amt: Text = UNSET
    inscp_scp_amt: Text = UNSET
    dscg_time: Text = UNSET
    expContent: Any = UNSET


class InpatientSettleInput(Wire):
    """2303 and 2304 in."""

    data: InpatientSettleData | UnsetType | None = UNSET


class AdmissionInfo(Wire):
    """2401 and 2403 in: ``mdtrtinfo``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    insutype: Text = UNSET
    coner_name: Text = UNSET
    tel: Text = UNSET
    begntime: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    med_type: Text = UNSET
    ipt_no: Text = UNSET
    medrcdno: Text = UNSET
    atddr_no: Text = UNSET
    chfpdr_name: Text = UNSET
    adm_diag_dscr: Text = UNSET
    adm_dept_codg: Text = UNSET
    adm_dept_name: Text = UNSET
    adm_bed: Text = UNSET
    dscg_maindiag_code: Text = UNSET
    dscg_maindiag_name: Text = UNSET
    main_cond_dscr: Text = UNSET
    dise_codg: Text = UNSET
    dise_name: Text = UNSET
    oprn_oprt_code: Text = UNSET
    oprn_oprt_name: Text = UNSET
    fpsc_no: Text = UNSET
    matn_type: Text = UNSET
    birctrl_type: Text = UNSET
    latechb_flag: Text = UNSET
    geso_val: Text = UNSET
    fetts: Text = UNSET
    fetus_cnt: Text = UNSET
    pret_flag: Text = UNSET
    birctrl_matn_date: Text = UNSET
    dise_type_code: Text = UNSET
    expContent: Any = UNSET


class AdmissionDisease(Wire):
    """2401 and 2403 in: one of ``diseinfo``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    diag_type: Text = UNSET
    maindiag_flag: Text = UNSET
    diag_srt_no: Text = UNSET
    diag_code: Text = UNSET
    diag_name: Text = UNSET
    adm_cond: Text = UNSET
    diag_dept: Text = UNSET
    dise_dor_no: Text = UNSET
    dise_dor_name: Text = UNSET
    diag_time: Text = UNSET


class AdmissionInput(Wire):
    """2401 and 2403 in. ``agnterinfo`` and others of single regions are not read."""

    mdtrtinfo: AdmissionInfo | UnsetType | None = UNSET
    diseinfo: list[AdmissionDisease] | UnsetType | None = UNSET


class AdmissionNumber(Wire):
    """2401 out: ``result``."""

    mdtrt_id: Text = UNSET


class AdmissionOutput(Wire):
    """2401 out."""

    result: AdmissionNumber | UnsetType | None = UNSET


class DischargeInfo(Wire):
    """2402 in: ``dscginfo``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    insutype: Text = UNSET
    endtime: Text = UNSET
    dise_codg: Text = UNSET
    dise_name: Text = UNSET
    oprn_oprt_code: Text = UNSET
    oprn_oprt_name: Text = UNSET
    fpsc_no: Text = UNSET
    matn_type: Text = UNSET
    birctrl_type: Text = UNSET
    latechb_flag: Text = UNSET
    geso_val: Text = UNSET
    fetts: Text = UNSET
    fetus_cnt: Text = UNSET
    pret_flag: Text = UNSET
    birctrl_matn_date: Text = UNSET
    cop_flag: Text = UNSET
    dscg_dept_codg: Text = UNSET
    dscg_dept_name: Text = UNSET
    dscg_bed: Text = UNSET
    dscg_way: Text = UNSET
    die_date: Text = UNSET
    expContent: Any = UNSET


class DischargeDisease(Wire):
    """2402 in: one of ``diseinfo``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    diag_type: Text = UNSET
    maindiag_flag: Text = UNSET
    diag_srt_no: Text = UNSET
    diag_code: Text = UNSET
    diag_name: Text = UNSET
    adm_cond: Text = UNSET
    diag_dept: Text = UNSET
    dise_dor_no: Text = UNSET
    dise_dor_name: Text = UNSET
    diag_time: Text = UNSET
    dscg_time: Text = UNSET


class DischargeInput(Wire):
    """2402 in."""

    dscginfo: DischargeInfo | UnsetType | None = UNSET
    diseinfo: list[DischargeDisease] | UnsetType | None = UNSET


class CancelStayData(Wire):
    """2404 and 2405 in: ``data``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    expContent: Any = UNSET


class CancelStayInput(Wire):
    """2404 and 2405 in."""

    data: CancelStayData | UnsetType | None = UNSET


class PharmacyInfo(Wire):
    """2102 in: ``druginfo``."""

    psn_no: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    begntime: Text = UNSET
    medfee_sumamt: Text = UNSET
    invono: Text = UNSET
    insutype: Text = UNSET
    dise_codg: Text = UNSET
    dise_name: Text = UNSET
    acct_used_flag: Text = UNSET
    med_type: Text = UNSET
    expContent: Any = UNSET


class PharmacyLine(Wire):
    """2102 in: one of ``drugdetail``."""

    feedetl_sn: Text = UNSET
    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    chrg_bchno: Text = UNSET
    dise_codg: Text = UNSET
    rxno: Text = UNSET
    rx_circ_flag: Text = UNSET
    fee_ocur_time: Text = UNSET
    med_list_codg: Text = UNSET
    medins_list_codg: Text = UNSET
    det_item_fee_sumamt: Text = UNSET
    cnt: Text = UNSET
    pric: Text = UNSET
    sin_dos_dscr: Text = UNSET
    used_frqu_dscr: Text = UNSET
    prd_days: Text = UNSET
    medc_way_dscr: Text = UNSET
    bilg_dept_codg: Text = UNSET
    bilg_dept_name: Text = UNSET
    bilg_dr_codg: Text = UNSET
    bilg_dr_name: Text = UNSET
    acord_dept_codg: Text = UNSET
    acord_dept_name: Text = UNSET
    orders_dr_code: Text = UNSET
    orders_dr_name: Text = UNSET
    hosp_appr_flag: Text = UNSET
    tcmdrug_used_way: Text = UNSET
    etip_flag: Text = UNSET
    etip_hosp_code: Text = UNSET
    dscg_tkdrug_flag: Text = UNSET
    matn_fee_flag: Text = UNSET
    expContent: Any = UNSET


class PharmacyInput(Wire):
    """2102 in."""

    druginfo: PharmacyInfo | UnsetType | None = UNSET
    drugdetail: list[PharmacyLine] | UnsetType | None = UNSET


class PharmacyOutput(Wire):
    """2102 and 2103 out."""

    setlinfo: SetlInfo | UnsetType | None = UNSET
    setldetail: list[SetlDetail] | UnsetType | None = UNSET
    detlcutinfo: list[FeeResult] | UnsetType | None = UNSET
