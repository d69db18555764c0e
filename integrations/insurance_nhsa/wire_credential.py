"""What travels when an insurance e-credential is decoded (dossier 4.1)."""

# ruff: noqa: N815 - fields are spelled as the partner spells them

from msgspec import UNSET, UnsetType

from integrations.insurance_nhsa.envelope import Text, Wire


class CredentialData(Wire):
    """The inner ``data`` of a request. ``ecQrCode`` as carrier of the text is not confirmed."""

    orgId: Text = UNSET
    businessType: Text = UNSET
    operatorId: Text = UNSET
    operatorName: Text = UNSET
    officeId: Text = UNSET
    officeName: Text = UNSET
    deviceType: Text = UNSET
    authNo: Text = UNSET
    outBizNo: Text = UNSET
    ecQrCode: Text = UNSET


class CredentialRequest(Wire):
    """The outer request: ``ec.query``, ``cn.nhsa.qrcode.get``, ``cn.nhsa.ec.auth`` and others."""

    data: CredentialData
    transType: str
    orgId: Text = UNSET


class CredentialPerson(Wire):
    """The inner ``data`` of an answer."""

    idNo: Text = UNSET
    idType: Text = UNSET
    userName: Text = UNSET
    ecToken: Text = UNSET
    insuOrg: Text = UNSET
    ecIndexNo: Text = UNSET
    gender: Text = UNSET
    birthday: Text = UNSET
    nationality: Text = UNSET
    email: Text = UNSET
    authNo: Text = UNSET
    ecQrCode: Text = UNSET
    chnlId: Text = UNSET


class CredentialAnswer(Wire):
    """The outer answer. ``code`` 0 is success; ``data`` may be JSON in a string."""

    code: str | int
    message: Text = UNSET
    orgId: Text = UNSET
    data: CredentialPerson | str | UnsetType | None = UNSET
