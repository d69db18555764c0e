"""The errors of this package. Messages never hold keys, plaintexts or personal data.

``CryptoError`` is a ``ValueError`` so that a decoder may treat it as bad input::

    CryptoError
      BadKey               a key is malformed, out of range, missing, or outside its window
      BadSignature         a signature is malformed (a well-formed wrong one gives False)
      BadCiphertext        decryption refused; one uniform error, never a reason
      BadEncoding          text or bytes are not in the one canonical form
      BackendUnavailable   the wanted SM2 backend cannot be used on this host
"""


class CryptoError(ValueError):
    """Root of every error this package raises on purpose."""


class BadKey(CryptoError):
    """A key is malformed, out of range, unknown, or outside its window."""


class BadSignature(CryptoError):
    """A signature is not two integers in [1, n-1] in the expected encoding."""


class BadCiphertext(CryptoError):
    """Decryption refused. Deliberately says nothing more."""

    def __init__(self, message: str = "ciphertext refused") -> None:
        super().__init__(message)


class BadEncoding(CryptoError):
    """Text or bytes are not in the one canonical form."""


class BackendUnavailable(CryptoError):
    """The wanted SM2 backend is not usable on this host, or may not sign."""
