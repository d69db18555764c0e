"""Reads ``/v3/certificates`` (payments.md 1.5). Sends nothing.

Opens each certificate first, then believes the answer only if a key just opened, or known before,
has signed it.
"""

from datetime import datetime

from integrations.kit.transport import Answer
from integrations.wechatpay import wire
from integrations.wechatpay.sealing import SealBroken, open_aes
from integrations.wechatpay.settings import WechatPayKeys, WechatPaySettings, certificate_key
from integrations.wechatpay.shangmi import SM_ALGORITHM, open_sm4
from integrations.wechatpay.signing import (
    FieldKey,
    WechatPayKeyRefused,
    certificate_serial,
    load_certificate,
)
from integrations.wechatpay.verifier import SignatureRefused, Verifier

PATH = "/v3/certificates"


def open_resource(keys: WechatPayKeys, resource: wire.SealedResource) -> bytes:
    """What is sealed under the APIv3 key, by the merchant's own algorithm. ``SealBroken``."""
    if resource.algorithm != keys.algorithm:
        raise SealBroken("another algorithm")
    associated = resource.associated_data or ""
    if keys.algorithm == SM_ALGORITHM:
        return open_sm4(
            api_v3_key=keys.sealing,
            nonce=resource.nonce,
            associated=associated,
            ciphertext_text=resource.ciphertext,
        )
    return open_aes(
        key=keys.sealing,
        nonce=resource.nonce,
        associated=associated,
        ciphertext_text=resource.ciphertext,
    )


def read(
    settings: WechatPaySettings, keys: WechatPayKeys, answer: Answer, at: datetime
) -> dict[str, FieldKey]:
    """Keys by serial, newest last to begin being valid first; empty where nothing is believed."""
    if answer.status != 200:
        return {}
    try:
        listed = wire.decode(answer.body, wire.CertificatesAnswer)
        opened = [
            load_certificate(open_resource(keys, one.encrypt_certificate).decode("ascii"))
            for one in listed.data
        ]
        valid = [one for one in opened if one.not_valid_before_utc <= at < one.not_valid_after_utc]
        valid.sort(key=lambda one: one.not_valid_before_utc, reverse=True)
        found = {certificate_serial(one): certificate_key(settings, one) for one in valid}
        try:
            keys.verifier.check(answer.headers, answer.body, at)
        except SignatureRefused:
            Verifier(found).check(answer.headers, answer.body, at)
    except (wire.WireInvalid, SealBroken, WechatPayKeyRefused, SignatureRefused, ValueError):
        return {}
    return found
