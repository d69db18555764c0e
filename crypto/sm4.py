"""SM4 (GB/T 32907) by ``cryptography``: ECB, CBC, CTR and GCM over bytes.

Every refusal on the decrypting side is ``BadCiphertext`` without a reason, so that no caller
becomes a padding oracle. ECB and CBC exist because partners demand them; our own columns use GCM.
"""

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from crypto.errors import BadCiphertext, BadEncoding, BadKey

BLOCK = 16
KEY_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16


def _sm4(key: bytes) -> algorithms.SM4:
    if len(key) != KEY_SIZE:
        raise BadKey("an SM4 key has 16 bytes")
    return algorithms.SM4(key)


def _check_iv(iv: bytes, size: int) -> None:
    if len(iv) != size:
        raise BadEncoding(f"the initial value must have {size} bytes")


def _run(context: CipherContext, b: bytes) -> bytes:
    return bytes(context.update(b) + context.finalize())


def _pad(plain: bytes) -> bytes:
    padder = padding.PKCS7(BLOCK * 8).padder()
    return padder.update(plain) + padder.finalize()


def _unpad(padded: bytes) -> bytes:
    unpadder = padding.PKCS7(BLOCK * 8).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise BadCiphertext from None


def _check_blocks(body: bytes) -> None:
    if not body or len(body) % BLOCK:
        raise BadCiphertext


class BlockCipher:
    """One key, set up once for many single blocks: 16 bytes in, 16 bytes out."""

    __slots__ = ("decrypt", "encrypt")

    def __init__(self, key: bytes) -> None:
        cipher = Cipher(_sm4(key), modes.ECB())  # noqa: S305  a single block has no mode
        self.encrypt: Callable[[bytes], bytes] = cipher.encryptor().update
        self.decrypt: Callable[[bytes], bytes] = cipher.decryptor().update


def ecb_encrypt(key: bytes, blocks: bytes) -> bytes:
    """Whole blocks, no padding."""
    if len(blocks) % BLOCK:
        raise BadEncoding("whole blocks of 16 bytes only")
    return _run(Cipher(_sm4(key), modes.ECB()).encryptor(), blocks)  # noqa: S305


def ecb_decrypt(key: bytes, blocks: bytes) -> bytes:
    """Whole blocks, no padding; a broken length is ``BadCiphertext``."""
    if len(blocks) % BLOCK:
        raise BadCiphertext
    return _run(Cipher(_sm4(key), modes.ECB()).decryptor(), blocks)  # noqa: S305


def ecb_pkcs7_encrypt(key: bytes, plain: bytes) -> bytes:
    """PKCS#7 padded ECB, for partners that demand it."""
    return ecb_encrypt(key, _pad(plain))


def ecb_pkcs7_decrypt(key: bytes, body: bytes) -> bytes:
    """The reverse; wrong length or padding is ``BadCiphertext``."""
    _check_blocks(body)
    return _unpad(ecb_decrypt(key, body))


def cbc_encrypt(key: bytes, iv: bytes, b: bytes) -> bytes:
    """PKCS#7 padded CBC."""
    return cbc_encrypt_blocks(key, iv, _pad(b))


def cbc_decrypt(key: bytes, iv: bytes, b: bytes) -> bytes:
    """The reverse; wrong length or padding is ``BadCiphertext``."""
    _check_blocks(b)
    return _unpad(cbc_decrypt_blocks(key, iv, b))


def cbc_encrypt_blocks(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """CBC over whole blocks, no padding."""
    _check_iv(iv, BLOCK)
    if len(blocks) % BLOCK:
        raise BadEncoding("whole blocks of 16 bytes only")
    return _run(Cipher(_sm4(key), modes.CBC(iv)).encryptor(), blocks)


def cbc_decrypt_blocks(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """CBC over whole blocks, no padding."""
    _check_iv(iv, BLOCK)
    if len(blocks) % BLOCK:
        raise BadCiphertext
    return _run(Cipher(_sm4(key), modes.CBC(iv)).decryptor(), blocks)


def ctr_xor(key: bytes, counter_block: bytes, b: bytes) -> bytes:
    """CTR with a 16-byte initial counter block; the same call encrypts and decrypts."""
    _check_iv(counter_block, BLOCK)
    return _run(Cipher(_sm4(key), modes.CTR(counter_block)).encryptor(), b)


def gcm_encrypt(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    """Ciphertext with its 16-byte tag behind it. A nonce must never repeat under one key."""
    _check_iv(nonce, NONCE_SIZE)
    encryptor = Cipher(_sm4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(plain) + encryptor.finalize() + encryptor.tag


def gcm_decrypt(key: bytes, nonce: bytes, body: bytes, aad: bytes) -> bytes:
    """Open ciphertext + 16-byte tag; anything wrong is ``BadCiphertext``."""
    _check_iv(nonce, NONCE_SIZE)
    if len(body) < TAG_SIZE:
        raise BadCiphertext
    decryptor = Cipher(_sm4(key), modes.GCM(nonce, body[-TAG_SIZE:])).decryptor()
    decryptor.authenticate_additional_data(aad)
    try:
        return decryptor.update(body[:-TAG_SIZE]) + decryptor.finalize()
    except InvalidTag:
        raise BadCiphertext from None
