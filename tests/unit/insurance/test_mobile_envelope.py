"""The mobile payment envelope opens what was sealed and nothing else."""

import base64
from typing import Any

import pytest

from crypto.sm2 import PrivateKey, raw_to_der
from integrations.insurance_nhsa.mobile import (
    Application,
    EnvelopeRefused,
    canonical_json,
    encipher,
    load_public_key,
    open_envelope,
    seal,
)

APPLICATION = Application(app_id="1SANDBOXAPPID0000000000000000001", app_secret="S" * 32)
OUTER = {
    "encType": "SM4",
    "signType": "SM2",
    "timestamp": "20260105093500",
    "version": "2.0.1",
}
DATA = {"userName": "测试甲", "feeSumamt": "308.00", "empty": "", "list": ["", {"a": None}]}
KEY = PrivateKey.generate()


def sealed(data: Any = DATA) -> dict[str, Any]:
    return seal(APPLICATION, OUTER, data, KEY)


def refusal(message: dict[str, Any], key: PrivateKey = KEY) -> str:
    with pytest.raises(EnvelopeRefused) as caught:
        open_envelope(APPLICATION, message, key.public)
    return caught.value.reason


def test_what_was_sealed_opens_without_its_empty_values() -> None:
    opened = open_envelope(APPLICATION, sealed(), KEY.public)
    assert opened == {"userName": "测试甲", "feeSumamt": "308.00"}


def test_nothing_plain_leaves() -> None:
    message = sealed()
    assert "data" not in message
    assert "测试甲" not in str(message)


def test_sender_that_signs_numbers_with_fractions_is_believed_over_his_own_text() -> None:
    plain = '{"feeSumamt":308.10}'
    text = f"appId={APPLICATION.app_id}&data={plain}&encType=SM4&signType=SM2"
    text += f"&timestamp=20260105093500&version=2.0.1&key={APPLICATION.app_secret}"
    message = {
        **OUTER,
        "appId": APPLICATION.app_id,
        "encData": encipher(APPLICATION, plain),
        "signData": base64.b64encode(KEY.sign(text.encode())).decode(),
    }
    assert open_envelope(APPLICATION, message, KEY.public) == {"feeSumamt": "308.10"}


@pytest.mark.parametrize("name", ["timestamp", "version", "encType"])
def test_changed_outer_field_is_refused(name: str) -> None:
    assert refusal({**sealed(), name: "0"}) == "signature"


def test_added_outer_field_is_refused() -> None:
    assert refusal({**sealed(), "transType": "x"}) == "signature"


def test_exchanged_data_is_refused() -> None:
    other = sealed({"feeSumamt": "1.00"})
    assert refusal({**sealed(), "encData": other["encData"]}) == "signature"


def test_other_key_is_refused() -> None:
    assert refusal(sealed(), PrivateKey.generate()) == "signature"


def test_other_application_is_refused() -> None:
    assert refusal({**sealed(), "appId": "2" * 32}) == "other-application"


def test_signature_in_der_is_refused() -> None:
    message = sealed()
    der = raw_to_der(base64.b64decode(message["signData"]))
    assert refusal({**message, "signData": base64.b64encode(der).decode()}) == "signature"


@pytest.mark.parametrize("sign", [None, "", "!", "AA==", base64.b64encode(bytes(64)).decode(), 7])
def test_no_signature_is_refused(sign: object) -> None:
    assert refusal({**sealed(), "signData": sign}) == "signature"


@pytest.mark.parametrize("enc", [None, "", "zz", "00" * 15, "00" * 16, 5])
def test_no_ciphertext_is_refused(enc: object) -> None:
    assert refusal({**sealed(), "encData": enc}) in ("not-deciphered", "data-unreadable")


def test_fraction_must_be_sent_as_text() -> None:
    with pytest.raises(EnvelopeRefused, match="fraction-not-text"):
        canonical_json({"amount": 1.5})


def test_short_application_id_is_refused() -> None:
    with pytest.raises(EnvelopeRefused, match="application-id-short"):
        encipher(Application(app_id="short", app_secret="S"), "{}")


def test_secret_is_in_no_repr() -> None:
    assert "SSSS" not in repr(APPLICATION)


def test_public_key_is_taken_as_hex_or_base64() -> None:
    raw = KEY.public.to_bytes()
    forms = (raw.hex(), raw.hex().upper(), raw[1:].hex(), base64.b64encode(raw).decode())
    assert all(load_public_key(form) == KEY.public for form in forms)
    for bad in ("", "00" * 65, "not a key", raw.hex()[:-2]):
        with pytest.raises(EnvelopeRefused, match="key-unreadable"):
            load_public_key(bad)
