"""What travels at the desk and in the visit (9001, 9002, 1101, 2201 to 2205).

Field names are the partner's own (dossier 1.4 to 1.7). Every field may be absent, because
regions leave out different ones; presence is demanded in ``mapping`` where a value is used.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Any

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire


class SignIn(Wire):
    """9001 in: ``signIn``."""

    opter_no: Text = UNSET
    mac: Text = UNSET
    ip: Text = UNSET


class SignInInput(Wire):
    """9001 in."""

    signIn: SignIn | UnsetType | None = UNSET


class SignedIn(Wire):
    """9001 out: ``signinoutb``."""

    sign_time: Text = UNSET
    sign_no: Text = UNSET


class SignInOutput(Wire):
    """9001 out."""

    signinoutb: SignedIn | UnsetType | None = UNSET


class SignOut(Wire):
    """9002 in: ``signOut``."""

    sign_no: Text = UNSET
    opter_no: Text = UNSET


class SignOutInput(Wire):
    """9002 in."""

    signOut: SignOut | UnsetType | None = UNSET


class SignedOut(Wire):
    """9002 out: ``signoutoutb``."""

    sign_time: Text = UNSET


class SignOutOutput(Wire):
    """9002 out."""

    signoutoutb: SignedOut | UnsetType | None = UNSET


class PersonData(Wire):
    """1101 in: ``data``."""

    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    card_sn: Text = UNSET
    begntime: Text = UNSET
    psn_cert_type: Text = UNSET
    certno: Text = UNSET
    psn_name: Text = UNSET


class PersonInput(Wire):
    """1101 in."""

    data: PersonData | UnsetType | None = UNSET


class BaseInfo(Wire):
    """1101 out: ``baseinfo``."""

    psn_no: Text = UNSET
    psn_cert_type: Text = UNSET
    certno: Text = UNSET
    psn_name: Text = UNSET
    gend: Text = UNSET
    naty: Text = UNSET
    brdy: Text = UNSET
    age: Text = UNSET
    expContent: Any = UNSET


class InsuInfo(Wire):
    """1101 out: one of ``insuinfo``."""

    balc: Text = UNSET
    insutype: Text = UNSET
    psn_type: Text = UNSET
    psn_insu_stas: Text = UNSET
    psn_insu_date: Text = UNSET
    paus_insu_date: Text = UNSET
    cvlserv_flag: Text = UNSET
    insuplc_admdvs: Text = UNSET
    emp_name: Text = UNSET


class IdetInfo(Wire):
    """1101 out: one of ``idetinfo``."""

    psn_idet_type: Text = UNSET
    psn_type_lv: Text = UNSET
    memo: Text = UNSET
    begntime: Text = UNSET
    endtime: Text = UNSET


class PersonOutput(Wire):
    """1101 out."""

    baseinfo: BaseInfo | UnsetType | None = UNSET
    insuinfo: list[InsuInfo] | UnsetType | None = UNSET
    idetinfo: list[IdetInfo] | UnsetType | None = UNSET


class VisitData(Wire):
    """2201 in: ``data``."""

    psn_no: Text = UNSET
    insutype: Text = UNSET
    begntime: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    ipt_otp_no: Text = UNSET
    atddr_no: Text = UNSET
    dr_name: Text = UNSET
    dept_code: Text = UNSET
    dept_name: Text = UNSET
    caty: Text = UNSET
    expContent: Any = UNSET


class VisitInput(Wire):
    """2201 in."""

    data: VisitData | UnsetType | None = UNSET


class VisitNumber(Wire):
    """2201 out: ``data``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    ipt_otp_no: Text = UNSET


class VisitOutput(Wire):
    """2201 out."""

    data: VisitNumber | UnsetType | None = UNSET


class CancelVisitData(Wire):
    """2202 in: ``data``."""

    psn_no: Text = UNSET
    mdtrt_id: Text = UNSET
    ipt_otp_no: Text = UNSET
    expContent: Any = UNSET


class CancelVisitInput(Wire):
    """2202 in."""

    data: CancelVisitData | UnsetType | None = UNSET


class MdtrtInfo(Wire):
    """2203 and 2203A in: ``mdtrtinfo``."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    med_type: Text = UNSET
    begntime: Text = UNSET
    main_cond_dscr: Text = UNSET
    dise_codg: Text = UNSET
    dise_name: Text = UNSET
    birctrl_type: Text = UNSET
    birctrl_matn_date: Text = UNSET
    matn_type: Text = UNSET
    geso_val: Text = UNSET
    expContent: Any = UNSET


class DiseInfo(Wire):
    """2203 and 2203A in: one of ``diseinfo``."""

    diag_type: Text = UNSET
    diag_srt_no: Text = UNSET
    diag_code: Text = UNSET
    diag_name: Text = UNSET
    diag_dept: Text = UNSET
    dise_dor_no: Text = UNSET
    dise_dor_name: Text = UNSET
    diag_time: Text = UNSET
    vali_flag: Text = UNSET


class DiagnosesInput(Wire):
    """2203 and 2203A in."""

    mdtrtinfo: MdtrtInfo | UnsetType | None = UNSET
    diseinfo: list[DiseInfo] | UnsetType | None = UNSET


class FeeDetail(Wire):
    """2204 in: one of ``feedetail``."""

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


class ChargesInput(Wire):
    """2204 in."""

    feedetail: list[FeeDetail] | UnsetType | None = UNSET


class FeeResult(Wire):
    """2204 and 2301 out: one of ``result``."""

    feedetl_sn: Text = UNSET
    det_item_fee_sumamt: Text = UNSET
    cnt: Text = UNSET
    pric: Text = UNSET
    pric_uplmt_amt: Text = UNSET
    selfpay_prop: Text = UNSET
    fulamt_ownpay_amt: Text = UNSET
    overlmt_amt: Text = UNSET
    preselfpay_amt: Text = UNSET
    inscp_scp_amt: Text = UNSET
    chrgitm_lv: Text = UNSET
    med_chrgitm_type: Text = UNSET
    bas_medn_flag: Text = UNSET
    hi_nego_drug_flag: Text = UNSET
    chld_medc_flag: Text = UNSET
    list_sp_item_flag: Text = UNSET
    lmt_used_flag: Text = UNSET
    drt_reim_flag: Text = UNSET
    memo: Text = UNSET


class ChargesOutput(Wire):
    """2204 and 2301 out."""

    result: list[FeeResult] | UnsetType | None = UNSET


class WithdrawData(Wire):
    """2205 in: ``data``."""

    mdtrt_id: Text = UNSET
    chrg_bchno: Text = UNSET
    psn_no: Text = UNSET
    expContent: Any = UNSET


class WithdrawInput(Wire):
    """2205 in."""

    data: WithdrawData | UnsetType | None = UNSET
