"""What travels in clearing, settlement lists and queries (1201, 2001, 3201 to 3203, 3301, 3302,
4101A, 5206, 5301, 5302, 9101, 9102).

Field names are the partner's own (dossier 1.6, 1.10, 1.11). Of 4101A only ``setlinfo`` is known.
"""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire


class StatementData(Wire):
    """3201 in: ``data``."""

    insutype: Text = UNSET
    clr_type: Text = UNSET
    setl_optins: Text = UNSET
    stmt_begndate: Text = UNSET
    stmt_enddate: Text = UNSET
    medfee_sumamt: Text = UNSET
    fund_pay_sumamt: Text = UNSET
    acct_pay: Text = UNSET
    fixmedins_setl_cnt: Text = UNSET
    refd_setl_flag: Text = UNSET


class StatementInput(Wire):
    """3201 in."""

    data: StatementData | UnsetType | None = UNSET


class StatementInfo(Wire):
    """3201 out: ``stmtinfo``."""

    setl_optins: Text = UNSET
    stmt_rslt: Text = UNSET
    stmt_rslt_dscr: Text = UNSET


class StatementOutput(Wire):
    """3201 out."""

    stmtinfo: StatementInfo | UnsetType | None = UNSET


class DetailStatementData(Wire):
    """3202 in: ``data``."""

    clr_type: Text = UNSET
    setl_optins: Text = UNSET
    file_qury_no: Text = UNSET
    stmt_begndate: Text = UNSET
    stmt_enddate: Text = UNSET
    medfee_sumamt: Text = UNSET
    fund_pay_sumamt: Text = UNSET
    cash_payamt: Text = UNSET
    fixmedins_setl_cnt: Text = UNSET
    refd_setl_flag: Text = UNSET


class DetailStatementInput(Wire):
    """3202 in."""

    data: DetailStatementData | UnsetType | None = UNSET


class FileInfo(Wire):
    """3202, 9101 and catalogue downloads out: ``fileinfo``."""

    file_qury_no: Text = UNSET
    filename: Text = UNSET
    dld_endtime: Text = UNSET
    data_cnt: Text = UNSET


class FileOutput(Wire):
    """3202 and 9101 out."""

    fileinfo: FileInfo | UnsetType | None = UNSET


class ClearingData(Wire):
    """3203 in: ``data``. The source's types of this table are not to be trusted."""

    clr_type: Text = UNSET
    clr_way: Text = UNSET
    setlym: Text = UNSET
    psntime: Text = UNSET
    medfee_sumamt: Text = UNSET
    med_sumfee: Text = UNSET
    fund_appy_sum: Text = UNSET
    cash_payamt: Text = UNSET
    acct_pay: Text = UNSET
    begndate: Text = UNSET
    enddate: Text = UNSET


class ClearingInput(Wire):
    """3203 in."""

    data: ClearingData | UnsetType | None = UNSET


class UploadFile(Wire, rename={"content": "in"}):
    """9101 in. The partner's ``in`` (the file's bytes) is reserved in Python, hence ``content``."""

    content: str | list[int] | UnsetType | None = UNSET
    filename: Text = UNSET
    fixmedins_code: Text = UNSET


class DownloadFile(Wire):
    """9102 in."""

    file_qury_no: Text = UNSET
    filename: Text = UNSET
    fixmedins_code: Text = UNSET


class UploadInput(Wire):
    """9101 in. The node name is not confirmed."""

    fsUploadIn: UploadFile | UnsetType | None = UNSET


class DownloadInput(Wire):
    """9102 in. The node name is not confirmed."""

    fsDownloadIn: DownloadFile | UnsetType | None = UNSET


class SettlementList(Wire):
    """4101A in: ``setlinfo``."""

    psn_no: Text = UNSET
    mdtrt_id: Text = UNSET
    setl_id: Text = UNSET
    hi_no: Text = UNSET
    medcasno: Text = UNSET
    dcla_time: Text = UNSET
    ntly: Text = UNSET
    prfs: Text = UNSET
    curr_addr: Text = UNSET
    emp_name: Text = UNSET
    emp_addr: Text = UNSET
    emp_tel: Text = UNSET
    poscode: Text = UNSET
    coner_name: Text = UNSET
    patn_rlts: Text = UNSET
    coner_addr: Text = UNSET
    coner_tel: Text = UNSET
    nwb_adm_type: Text = UNSET
    nwb_bir_wt: Text = UNSET
    nwb_adm_wt: Text = UNSET
    mul_nwb_bir_wt: Text = UNSET
    mul_nwb_adm_wt: Text = UNSET
    opsp_diag_caty: Text = UNSET
    opsp_mdtrt_date: Text = UNSET
    adm_way: Text = UNSET
    trt_type: Text = UNSET
    adm_time: Text = UNSET
    refldept_dept: Text = UNSET
    dscg_time: Text = UNSET
    dscg_caty: Text = UNSET
    otp_wm_dise: Text = UNSET
    wm_dise_code: Text = UNSET
    otp_tcm_dise: Text = UNSET
    tcm_dise_code: Text = UNSET
    vent_used_dura: Text = UNSET
    pwcry_bfadm_coma_dura: Text = UNSET
    pwcry_afadm_coma_dura: Text = UNSET
    spga_nurscare_days: Text = UNSET
    lv1_nurscare_days: Text = UNSET
    scd_nurscare_days: Text = UNSET
    lv3_nurscare_days: Text = UNSET
    dscg_way: Text = UNSET
    acp_medins_name: Text = UNSET
    acp_optins_code: Text = UNSET
    bill_code: Text = UNSET
    bill_no: Text = UNSET
    biz_sn: Text = UNSET
    days_rinp_flag_31: Text = UNSET
    days_rinp_pup_31: Text = UNSET
    chfpdr_code: Text = UNSET
    setl_begn_date: Text = UNSET
    setl_end_date: Text = UNSET
    medins_fill_dept: Text = UNSET
    medins_fill_psn: Text = UNSET
    resp_nurs_code: Text = UNSET
    stas_type: Text = UNSET
    hi_paymtd: Text = UNSET


class SettlementListInput(Wire):
    """4101A in."""

    setlinfo: SettlementList | UnsetType | None = UNSET


class InstitutionData(Wire):
    """1201 in: ``medinsinfo``."""

    fixmedins_type: Text = UNSET
    fixmedins_name: Text = UNSET
    fixmedins_code: Text = UNSET


class InstitutionInfo(Wire):
    """1201 out: one of ``medinsinfo``."""

    fixmedins_code: Text = UNSET
    fixmedins_name: Text = UNSET
    uscc: Text = UNSET
    fixmedins_type: Text = UNSET
    hosp_lv: Text = UNSET


class InstitutionInput(Wire):
    """1201 in."""

    medinsinfo: InstitutionData | UnsetType | None = UNSET


class InstitutionOutput(Wire):
    """1201 out."""

    medinsinfo: list[InstitutionInfo] | UnsetType | None = UNSET


class BenefitData(Wire):
    """2001 in: ``data``."""

    psn_no: Text = UNSET
    insutype: Text = UNSET
    fixmedins_code: Text = UNSET
    med_type: Text = UNSET
    begntime: Text = UNSET
    endtime: Text = UNSET
    dise_codg: Text = UNSET
    dise_name: Text = UNSET
    oprn_oprt_code: Text = UNSET
    oprn_oprt_name: Text = UNSET
    matn_type: Text = UNSET
    birctrl_type: Text = UNSET


class BenefitInput(Wire):
    """2001 in."""

    data: BenefitData | UnsetType | None = UNSET


class CatalogueMatch(Wire):
    """3301 and 3302 in: ``data``."""

    fixmedins_code: Text = UNSET
    fixmedins_hilist_id: Text = UNSET
    fixmedins_hilist_name: Text = UNSET
    list_type: Text = UNSET
    med_list_codg: Text = UNSET
    begndate: Text = UNSET
    enddate: Text = UNSET
    aprvno: Text = UNSET
    dosform: Text = UNSET
    spec: Text = UNSET
    pric: Text = UNSET
    exct_cont: Text = UNSET
    itemname: Text = UNSET
    memo: Text = UNSET


class CatalogueMatchInput(Wire):
    """3301 and 3302 in."""

    data: CatalogueMatch | UnsetType | None = UNSET


class TotalsData(Wire):
    """5206 in: ``data``."""

    psn_no: Text = UNSET
    cum_ym: Text = UNSET


class TotalsInput(Wire):
    """5206 in."""

    data: TotalsData | UnsetType | None = UNSET


class Total(Wire):
    """5206 out: one of ``cuminfo``."""

    insutype: Text = UNSET
    year: Text = UNSET
    cum_ym: Text = UNSET
    cum_type_code: Text = UNSET
    cum: Text = UNSET


class TotalsOutput(Wire):
    """5206 out."""

    cuminfo: list[Total] | UnsetType | None = UNSET


class PersonOnlyData(Wire):
    """5301 to 5304 in: ``data``."""

    psn_no: Text = UNSET
    biz_appy_type: Text = UNSET


class PersonOnlyInput(Wire):
    """5301 to 5304 in."""

    data: PersonOnlyData | UnsetType | None = UNSET


class ChronicRecord(Wire):
    """5301 out: one of ``feedetail``."""

    opsp_dise_code: Text = UNSET
    opsp_dise_name: Text = UNSET
    begndate: Text = UNSET
    enddate: Text = UNSET


class ChronicOutput(Wire):
    """5301 out."""

    feedetail: list[ChronicRecord] | UnsetType | None = UNSET


class SettlementListNumber(Wire):
    """4101 and 4101A out: the list's number at the bureau. Not confirmed by a public source."""

    setl_list_id: Text = UNSET


class SettlementListOutput(Wire):
    """4101 and 4101A out."""

    data: SettlementListNumber | UnsetType | None = UNSET
