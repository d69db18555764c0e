"""An institution's own pseudonym of a person: stable for it, meaningless to any other."""

from crypto.errors import BadEncoding
from crypto.keyring import Key, KeyKind
from crypto.sm3 import hmac_sm3

SIZE = 17


def institution_pseudonym(key: Key, institution_id: bytes, record_id: bytes) -> bytes:
    """17 bytes: key version 1, then HMAC-SM3(institution's key, record id 8) cut to 16.

    The institution's key is HMAC-SM3(root, label, version, institution id), so it may be handed
    to a cipher card without the root.
    """
    if key.kind is not KeyKind.INSTITUTION_PSEUDONYM:
        raise BadEncoding("a pseudonym needs a pseudonym root")
    if len(record_id) != 8:
        raise BadEncoding("a record id has 8 bytes")
    head = bytes((key.version,))
    own = hmac_sm3(key.material, b"YM institution pseudonym\0" + head + institution_id)
    return head + hmac_sm3(own, record_id)[:16]
