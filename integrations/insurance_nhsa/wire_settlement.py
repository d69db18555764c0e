"""What travels in settling (2206, 2207, 2208, 2601, 5201, 5203).

Field names are the partner's own (dossier 1.7, 1.9, 1.11). Every field may be absent.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from typing import Any

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire


class PresettleData(Wire):
    """2206 and 2206A in: ``data``."""

    psn_no: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    med_type: Text = UNSET
    medfee_sumamt: Text = UNSET
    psn_setlway: Text = UNSET
    mdtrt_id: Text = UNSET
    chrg_bchno: Text = UNSET
    acct_used_flag: Text = UNSET
    insutype: Text = UNSET
    expContent: Any = UNSET


class PresettleInput(Wire):
    """2206 and 2206A in."""

    data: PresettleData | UnsetType | None = UNSET


class SettleData(Wire):
    """2207 and 2207A in: ``data``."""

    psn_no: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    mdtrt_cert_no: Text = UNSET
    med_type: Text = UNSET
    medfee_sumamt: Text = UNSET
    psn_setlway: Text = UNSET
    mdtrt_id: Text = UNSET
    chrg_bchno: Text = UNSET
    insutype: Text = UNSET
    acct_used_flag: Text = UNSET
    invono: Text = UNSET
    fulamt_ownpay_amt: Text = UNSET
    overlmt_selfpay: Text = UNSET
    preselfpay_amt: Text = UNSET
    inscp_scp_amt: Text = UNSET
    expContent: Any = UNSET


class SettleInput(Wire):
    """2207 and 2207A in."""

    data: SettleData | UnsetType | None = UNSET


class SetlInfo(Wire):
    """``setlinfo`` of 2206, 2207, 2208, 2303 to 2305, 2102, 2103 and 5203.

    ``psn_pay`` and ``cash_payamt`` stand for ``psn_part_amt`` and ``psn_cash_pay`` at pharmacies.
    """

    mdtrt_id: Text = UNSET
    setl_id: Text = UNSET
    psn_no: Text = UNSET
    psn_name: Text = UNSET
    psn_cert_type: Text = UNSET
    certno: Text = UNSET
    gend: Text = UNSET
    naty: Text = UNSET
    brdy: Text = UNSET
    age: Text = UNSET
    insutype: Text = UNSET
    psn_type: Text = UNSET
    cvlserv_flag: Text = UNSET
    setl_time: Text = UNSET
    mdtrt_cert_type: Text = UNSET
    med_type: Text = UNSET
    medfee_sumamt: Text = UNSET
    fulamt_ownpay_amt: Text = UNSET
    overlmt_selfpay: Text = UNSET
    preselfpay_amt: Text = UNSET
    inscp_scp_amt: Text = UNSET
    act_pay_dedc: Text = UNSET
    hifp_pay: Text = UNSET
    pool_prop_selfpay: Text = UNSET
    cvlserv_pay: Text = UNSET
    hifes_pay: Text = UNSET
    hifmi_pay: Text = UNSET
    hifob_pay: Text = UNSET
    hifdm_pay: Text = UNSET
    maf_pay: Text = UNSET
    oth_pay: Text = UNSET
    fund_pay_sumamt: Text = UNSET
    psn_part_amt: Text = UNSET
    acct_pay: Text = UNSET
    psn_cash_pay: Text = UNSET
    hosp_part_amt: Text = UNSET
    balc: Text = UNSET
    acct_mulaid_pay: Text = UNSET
    medins_setl_id: Text = UNSET
    clr_optins: Text = UNSET
    clr_way: Text = UNSET
    clr_type: Text = UNSET
    psn_pay: Text = UNSET
    cash_payamt: Text = UNSET
    refd_setl_flag: Text = UNSET


class SetlDetail(Wire):
    """One of ``setldetail``: what one fund pays."""

    fund_pay_type: Text = UNSET
    inscp_scp_amt: Text = UNSET
    crt_payb_lmt_amt: Text = UNSET
    fund_payamt: Text = UNSET
    fund_pay_type_name: Text = UNSET
    setl_proc_info: Text = UNSET


class SettleOutput(Wire):
    """2206, 2207, 2208 and 2303 to 2305 out."""

    setlinfo: SetlInfo | UnsetType | None = UNSET
    setldetail: list[SetlDetail] | UnsetType | None = UNSET


class ReverseData(Wire):
    """2208 and 2305 in: ``data``."""

    setl_id: Text = UNSET
    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    expContent: Any = UNSET


class ReverseInput(Wire):
    """2208 and 2305 in."""

    data: ReverseData | UnsetType | None = UNSET


class UndoData(Wire):
    """2601 in: ``data``."""

    psn_no: Text = UNSET
    omsgid: Text = UNSET
    oinfno: Text = UNSET
    expContent: Any = UNSET


class UndoInput(Wire):
    """2601 in."""

    data: UndoData | UnsetType | None = UNSET


class FindVisitData(Wire):
    """5201 in: ``data``."""

    psn_no: Text = UNSET
    begntime: Text = UNSET
    endtime: Text = UNSET
    med_type: Text = UNSET
    mdtrt_id: Text = UNSET


class FindVisitInput(Wire):
    """5201 in."""

    data: FindVisitData | UnsetType | None = UNSET


class FoundVisit(Wire):
    """5201 out: one of ``mdtrtinfo``. Node and fields are not confirmed by a public source."""

    mdtrt_id: Text = UNSET
    psn_no: Text = UNSET
    ipt_otp_no: Text = UNSET
    begntime: Text = UNSET
    med_type: Text = UNSET
    setl_id: Text = UNSET


class FindVisitOutput(Wire):
    """5201 out."""

    mdtrtinfo: list[FoundVisit] | UnsetType | None = UNSET


class FindSettlementData(Wire):
    """5203 in: ``data``."""

    psn_no: Text = UNSET
    setl_id: Text = UNSET
    mdtrt_id: Text = UNSET


class FindSettlementInput(Wire):
    """5203 in."""

    data: FindSettlementData | UnsetType | None = UNSET


class FindSettlementOutput(Wire):
    """5203 out. An object by reference, a list by visit; both are read."""

    setlinfo: SetlInfo | list[SetlInfo] | UnsetType | None = UNSET
    setldetail: list[SetlDetail] | UnsetType | None = UNSET
