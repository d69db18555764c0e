"""E-credentials at a terminal: ``ec.query``, and a face in two steps (dossier 4.1). Pure."""

from datetime import date

import msgspec

from integrations.insurance_nhsa.envelope import AnswerUnreadable, read_json, text_of
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.wire_credential import (
    CredentialAnswer,
    CredentialData,
    CredentialPerson,
    CredentialRequest,
)
from integrations.kit.clocktext import compact_text
from integrations.ports.insurance import CallId, CredentialScan, DecodedCredential
from integrations.ports.outcomes import Accepted, Rejected, Unknown

BUSINESS_TYPES = {"registration": "01101", "settlement": "01301", "pharmacy": "02121"}
SEXES = {"男": "M", "1": "M", "女": "F", "2": "F"}
TEXT_MAX = 64
TOKEN_MAX = 40
FACE_START, FACE_TAKE = "cn.nhsa.ec.auth", "cn.nhsa.auth.check"


def credential_request(scan: CredentialScan, settings: NhsaSettings) -> CredentialRequest:
    """The ``ec.query`` request. Raises ``KeyError`` for a purpose outside the table."""
    return CredentialRequest(
        data=CredentialData(
            orgId=settings.institution_code,
            businessType=BUSINESS_TYPES[scan.purpose],
            operatorId=settings.operator_no,
            operatorName=settings.operator_name,
            officeId="",
            officeName="",
            deviceType="",
            ecQrCode=scan.text,
        ),
        transType="ec.query",
        orgId=settings.institution_code,
    )


def face_request(
    purpose: str, authorisation: str | None, settings: NhsaSettings, call: CallId
) -> CredentialRequest:
    """``cn.nhsa.ec.auth``, and ``cn.nhsa.auth.check`` with the number that the first one gave."""
    data = CredentialData(
        orgId=settings.institution_code,
        outBizNo=business_no(settings.institution_code, call),
        businessType=BUSINESS_TYPES[purpose],
        operatorId=settings.operator_no,
        operatorName=settings.operator_name,
        officeId="",
        officeName="",
    )
    if authorisation is not None:
        data.authNo = authorisation
    return CredentialRequest(
        data=data,
        transType=FACE_START if authorisation is None else FACE_TAKE,
        orgId=settings.institution_code,
    )


def business_no(institution_code: str, call: CallId) -> str:
    """``outBizNo``: institution, Beijing day, nine digits. As unique as the message number is.

    The digits are the second of the day and the message number's own four.
    """
    stamp = compact_text(call.at)
    hour, minute, second = int(stamp[8:10]), int(stamp[10:12]), int(stamp[12:])
    return (
        f"{institution_code}{stamp[:8]}{hour * 3600 + minute * 60 + second:05d}"
        + (call.message_no[-4:])
    )


def authorisation_in(answer: CredentialAnswer) -> Accepted[str] | Rejected | Unknown:
    """The number that ``cn.nhsa.ec.auth`` gives."""
    refused = _refusal(answer)
    if refused is not None:
        return refused
    try:
        number = text_of(person_in(answer).authNo)
    except AnswerUnreadable:
        return Unknown("answer-invalid")
    return Accepted(number) if 0 < len(number) <= TEXT_MAX else Unknown("answer-invalid")


def _refusal(answer: CredentialAnswer) -> Rejected | None:
    code = str(answer.code).strip()
    if code == "0":
        return None
    return Rejected(
        reason="credential-refused",
        provider_code=code,
        provider_text=text_of(answer.message)[:200],
    )


def read_credential_answer(body: bytes | str) -> CredentialAnswer:
    """The outer answer; raises ``AnswerUnreadable``."""
    try:
        return msgspec.convert(read_json(body), CredentialAnswer)
    except msgspec.ValidationError as fault:
        raise AnswerUnreadable("not an answer of the decoder") from fault


def person_in(answer: CredentialAnswer) -> CredentialPerson:
    """The inner node, parsed again where it came as a string. Raises ``AnswerUnreadable``."""
    inner = answer.data
    if isinstance(inner, CredentialPerson):
        return inner
    if not isinstance(inner, str):
        raise AnswerUnreadable("decoder's answer without a person")
    try:
        return msgspec.convert(read_json(inner), CredentialPerson)
    except msgspec.ValidationError as fault:
        raise AnswerUnreadable("person of another shape") from fault


def decoded(answer: CredentialAnswer) -> Accepted[DecodedCredential] | Rejected | Unknown:
    """Whose credential it is. A code other than 0 is a refusal: expired, unknown, not for us."""
    refused = _refusal(answer)
    if refused is not None:
        return refused
    try:
        person = person_in(answer)
    except AnswerUnreadable:
        return Unknown("answer-invalid")
    token = text_of(person.ecToken)
    if not 0 < len(token) <= TOKEN_MAX or not text_of(person.idNo):
        return Unknown("answer-invalid")
    return Accepted(
        DecodedCredential(
            token=token,
            name=text_of(person.userName),
            id_no=text_of(person.idNo).upper(),
            sex=SEXES.get(text_of(person.gender), "U"),
            birth_date=_day(text_of(person.birthday)),
            region=text_of(person.insuOrg),
        )
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
