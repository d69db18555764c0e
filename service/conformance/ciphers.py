"""Judges of the cipher sections (``sm.json``): one function a section, over ``crypto``."""

from collections.abc import Callable, Mapping
from typing import Any

from crypto import curve
from crypto.certificates import certificate_public_key, is_signed_by, load_certificate
from crypto.errors import BadCiphertext, CryptoError
from crypto.keyfiles import load_private_pem, load_public_pem
from crypto.sm2 import (
    DEFAULT_ID,
    CiphertextForm,
    PrivateKey,
    PublicKey,
    der_to_raw,
    join_ciphertext,
    raw_to_der,
    user_digest,
)
from crypto.sm2_backend import installed_backend
from crypto.sm2_purepy import encrypt_with_nonce, sign_with_nonce
from crypto.sm3 import hmac_sm3, sm3
from crypto.sm4 import (
    cbc_decrypt,
    cbc_decrypt_blocks,
    cbc_encrypt,
    cbc_encrypt_blocks,
    ctr_xor,
    ecb_decrypt,
    ecb_encrypt,
    ecb_pkcs7_decrypt,
    ecb_pkcs7_encrypt,
    gcm_decrypt,
    gcm_encrypt,
)
from service.conformance.ccm import ccm_decrypt, ccm_encrypt
from service.conformance.verdict import Case, CaseJudge, Judgement

_WORK_MAX = 1 << 28
Seal = Callable[[bytes, bytes, bytes, bytes], bytes]


def _bytes(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def _user_id(case: Case) -> bytes:
    return DEFAULT_ID if case.get("uid") is None else _bytes(case, "uid")


def _accepted(attempt: Callable[[], bool]) -> bool:
    """True if the attempt says yes; the documented error counts as no."""
    try:
        return attempt()
    except CryptoError:
        return False


def _as_expected(case: Case, attempt: Callable[[], bool]) -> Judgement:
    """Compare acceptance with ``result``; without one the case must be accepted."""
    accepted = _accepted(attempt)
    expected = case.get("result", "valid")
    passed = expected == "acceptable" or accepted == (expected == "valid")
    return passed, {"accepted": accepted}


def _equal(case: Case, got: Mapping[str, object]) -> Judgement:
    """Every computed value that the case names must be equal."""
    return all(case[name] == value for name, value in got.items() if name in case), dict(got)


def _sign_fixed_k(case: Case, _document: Mapping[str, Any]) -> Judgement:
    key = PrivateKey.from_bytes(_bytes(case, "d"))
    z = user_digest(key.public.to_bytes(), _user_id(case))
    e = key.public.digest(_bytes(case, "msg"), _user_id(case))
    raw = sign_with_nonce(int(case["d"], 16), e, int(case["k"], 16))
    got: dict[str, object] = {"pub": key.public.to_bytes().hex(), "z": z.hex(), "e": e.hex()}
    if raw is None:
        return False, got
    got |= {"sig_raw": raw.hex(), "sig_der": raw_to_der(raw).hex()}
    passed, _ = _equal(case, got)
    return passed and key.public.verify_digest(e, raw), got


def _verify(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """A valid case must be accepted in every form it gives; an invalid one is judged by its DER,
    where it has one, because a broken wrapping may hold good numbers."""
    given = [name for name in ("sig_der", "sig_raw") if case.get(name) is not None]
    if case.get("result") == "invalid":
        given = given[:1]
    return _as_expected(
        case, lambda: bool(given) and all(_verify_one(case, name) for name in given)
    )


def _verify_one(case: Case, name: str) -> bool:
    key = PublicKey.from_bytes(_bytes(case, "pub"))
    signature = _bytes(case, name)
    if name == "sig_der":
        signature = der_to_raw(signature)
    if case.get("msg") is None:
        return key.verify_digest(_bytes(case, "e"), signature)
    return key.verify(_bytes(case, "msg"), signature, _user_id(case))


def _public_key(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _as_expected(case, lambda: bool(PublicKey.from_bytes(_bytes(case, "pub"))))


def _private_key(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _as_expected(case, lambda: _loads_private(case))


def _loads_private(case: Case) -> bool:
    key = PrivateKey.from_bytes(_bytes(case, "d"))
    return case.get("pub") in {None, key.public.to_bytes().hex()}


def _decrypt(case: Case, _document: Mapping[str, Any]) -> Judgement:
    """Every form given must open to ``msg``, or be refused; with ``k`` it is also reproduced."""
    given = [form for form in CiphertextForm if case.get(form.value) is not None]
    got: dict[str, object] = {form.value: _open_or_none(case, form) for form in given}
    expected = case.get("result", "valid")
    if expected == "acceptable":
        return bool(given), got
    if expected == "invalid":
        return bool(given) and all(value is None for value in got.values()), got
    passed = bool(given) and all(value == case["msg"] for value in got.values())
    if passed and case.get("k") is not None:
        made = _encrypt_fixed_k(case, given)
        got |= {f"made_{name}": value for name, value in made.items()}
        passed = all(case[name] == value for name, value in made.items())
    return passed, got


def _open_or_none(case: Case, form: CiphertextForm) -> str | None:
    try:
        return PrivateKey.from_bytes(_bytes(case, "d")).decrypt(_bytes(case, form), form).hex()
    except CryptoError:
        return None


def _encrypt_fixed_k(case: Case, forms: list[CiphertextForm]) -> dict[str, str]:
    point = PrivateKey.from_bytes(_bytes(case, "d")).public.to_bytes()
    parts = encrypt_with_nonce(curve.read_point(point), _bytes(case, "msg"), int(case["k"], 16))
    if parts is None:
        raise BadCiphertext
    return {form.value: join_ciphertext(*parts, form).hex() for form in forms}


def _sm3(case: Case, _document: Mapping[str, Any]) -> Judgement:
    message, repeat = _bytes(case, "msg"), case.get("repeat", 1)
    if len(message) * repeat > _WORK_MAX:
        return False, "too long to judge"
    return _equal(case, {"digest": sm3(message * repeat).hex()})


def _hmac(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _equal(case, {"mac": hmac_sm3(_bytes(case, "key"), _bytes(case, "msg")).hex()})


def _sm4(case: Case, _document: Mapping[str, Any]) -> Judgement:
    key, rounds = _bytes(case, "key"), case.get("rounds") or 1
    plain = _bytes(case, "pt")
    if rounds > 1:
        return _sm4_rounds(case, key, plain, rounds)
    iv = b"" if case.get("iv") is None else _bytes(case, "iv")
    sealed = _SM4_SEAL[case["mode"], case.get("padding") or "none"](key, iv, plain)
    opened = _SM4_OPEN[case["mode"], case.get("padding") or "none"](key, iv, _bytes(case, "ct"))
    return _equal(case, {"ct": sealed.hex(), "pt": opened.hex()})


def _sm4_rounds(case: Case, key: bytes, block: bytes, rounds: int) -> Judgement:
    """A block enciphered again and again is CBC over zeros with the block as initial value."""
    if case["mode"] != "ECB" or len(block) != 16 or rounds * 16 > _WORK_MAX:
        return False, "rounds are defined for one block"
    chain = cbc_encrypt_blocks(key, block, bytes(16 * rounds))
    return _equal(case, {"ct": chain[-16:].hex()})


_SM4_SEAL: dict[tuple[str, str], Callable[[bytes, bytes, bytes], bytes]] = {
    ("ECB", "none"): lambda key, _iv, b: ecb_encrypt(key, b),
    ("ECB", "pkcs7"): lambda key, _iv, b: ecb_pkcs7_encrypt(key, b),
    ("CBC", "none"): cbc_encrypt_blocks,
    ("CBC", "pkcs7"): cbc_encrypt,
    ("CTR", "none"): ctr_xor,
}
_SM4_OPEN: dict[tuple[str, str], Callable[[bytes, bytes, bytes], bytes]] = {
    ("ECB", "none"): lambda key, _iv, b: ecb_decrypt(key, b),
    ("ECB", "pkcs7"): lambda key, _iv, b: ecb_pkcs7_decrypt(key, b),
    ("CBC", "none"): cbc_decrypt_blocks,
    ("CBC", "pkcs7"): cbc_decrypt,
    ("CTR", "none"): ctr_xor,
}


def _aead(case: Case, seal: Seal, unseal: Seal) -> Judgement:
    """A valid case is made and opened; an invalid one must not open."""
    key, nonce, aad = (_bytes(case, name) for name in ("key", "iv", "aad"))
    ct, tag = _bytes(case, "ct"), _bytes(case, "tag")
    opened: str | None = None
    if len(tag) == 16:  # our interface knows no other tag length
        try:
            opened = unseal(key, nonce, ct + tag, aad).hex()
        except CryptoError:
            opened = None
    expected = case.get("result", "valid")
    if expected != "valid":
        return expected == "acceptable" or opened is None, {"pt": opened}
    sealed = seal(key, nonce, _bytes(case, "pt"), aad)
    return _equal(case, {"pt": opened, "ct": sealed[:-16].hex(), "tag": sealed[-16:].hex()})


def _gcm(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _aead(case, gcm_encrypt, gcm_decrypt)


def _ccm(case: Case, _document: Mapping[str, Any]) -> Judgement:
    return _aead(case, ccm_encrypt, ccm_decrypt)


def _cbc_padding(case: Case, _document: Mapping[str, Any]) -> Judgement:
    def opens() -> bool:
        plain = cbc_decrypt(_bytes(case, "key"), _bytes(case, "iv"), _bytes(case, "ct"))
        return case.get("pt") in {None, plain.hex()}

    return _as_expected(case, opens)


def _x509(case: Case, _document: Mapping[str, Any]) -> Judgement:
    def holds() -> bool:
        certificate = load_certificate(case["cert_pem"].encode())
        issuer = certificate_public_key(load_certificate(case["ca_pem"].encode()))
        subject = certificate_public_key(certificate)
        return (
            is_signed_by(certificate, issuer, _user_id(case))
            and case.get("pub") in {None, subject.to_bytes().hex()}
            and case.get("ca_pub") in {None, issuer.to_bytes().hex()}
        )

    return _as_expected(case, holds)


def _key_encoding(case: Case, _document: Mapping[str, Any]) -> Judgement:
    def reads() -> bool:
        if case.get("d") is None and "PRIVATE KEY" not in case["pem"]:
            return load_public_pem(case["pem"]).to_bytes().hex() == case.get("pub")
        password = case.get("password")
        key = load_private_pem(case["pem"], None if password is None else password.encode())
        return case.get("d") in {None, key.to_bytes().hex()} and (
            case.get("pub") in {None, key.public.to_bytes().hex()}
        )

    return _as_expected(case, reads)


def backend_in_use() -> str:
    """Name and version of the SM2 backend that the cases ran on."""
    backend = installed_backend()
    return f"{backend.name} ({backend.version})"


JUDGES: dict[str, CaseJudge] = {
    "sm2_sign_fixed_k": _sign_fixed_k,
    "sm2_verify": _verify,
    "sm2_raw_signature_shape": _verify,
    "sm2_public_key": _public_key,
    "sm2_private_key": _private_key,
    "sm2_decrypt": _decrypt,
    "sm2_decrypt_der": _decrypt,
    "sm3": _sm3,
    "hmac_sm3": _hmac,
    "sm4": _sm4,
    "sm4_gcm": _gcm,
    "sm4_ccm": _ccm,
    "sm4_cbc_bad_padding": _cbc_padding,
    "sm2_x509": _x509,
    "sm2_key_encoding": _key_encoding,
}
