"""What we make, ``openssl`` and ``cryptography`` accept; what ``openssl`` makes, we accept."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.certificates import (
    Anchors,
    Certificate,
    CertificateRefused,
    CrlOrder,
    Order,
    Profile,
    Reason,
    Refusal,
    Revoked,
    check_path,
    issue,
    issue_crl,
    issue_root,
    make_name,
    make_request,
    new_serial,
    read_certificate,
    read_chain,
    read_crls,
    read_request,
)
from crypto.keyfiles import load_private_pem
from crypto.sm2 import PrivateKey

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")
USER_ID = "distid:1234567812345678"
AT = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Root
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[middle]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
[ca]
default_ca = root_ca
[root_ca]
database = index.txt
crlnumber = crlnumber
default_md = sm3
default_crl_days = 7
"""


class Openssl:
    """The command in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "openssl.cnf").write_text(CONFIG)
        (folder / "index.txt").write_text("")
        (folder / "crlnumber").write_text("01\n")

    def run(self, command: str, *, fails: bool = False) -> str:
        assert OPENSSL is not None
        done = subprocess.run(
            [OPENSSL, *command.split()],
            cwd=self.folder,
            env={**os.environ, "OPENSSL_CONF": str(self.folder / "openssl.cnf")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def openssl(tmp_path: Path) -> Openssl:
    return Openssl(tmp_path)


def order(profile: Profile, key: PrivateKey, name: str, now: datetime = AT) -> Order:
    return Order(
        subject=make_name(name, "测试医院", "H99000100001"),
        public=key.public,
        profile=profile,
        serial=new_serial(),
        not_before=now,
        not_after=now + 365 * DAY,
        crl_url="https://code.example/v1/lists/certificates.crl",
    )


class Ours:
    """A root, an authority and a caller by our own hand."""

    def __init__(self, now: datetime = AT) -> None:
        self.root_key, self.middle_key, self.key = (PrivateKey.generate() for _ in range(3))
        self.root = issue_root(order(Profile.ROOT, self.root_key, "Root", now), self.root_key)
        self.middle = issue(
            order(Profile.INTERMEDIATE, self.middle_key, "Middle", now), self.root, self.root_key
        )
        self.caller = issue(
            order(Profile.CALLER, self.key, "Caller", now), self.middle, self.middle_key
        )

    def crl(self, issuer: Certificate, key: PrivateKey, *serials: int) -> str:
        revoked = [Revoked(serial, AT, Reason.key_compromise) for serial in serials]
        wanted = CrlOrder(number=3, made_at=AT, next_at=AT + 7 * DAY, revoked=revoked)
        return issue_crl(wanted, issuer, key).pem()


def test_openssl_verifies_each_link_of_our_chain(openssl: Openssl) -> None:
    """OpenSSL 3.0 gives the user id to the last certificate alone: one link a run."""
    ours = Ours()
    openssl.write("root.pem", ours.root.pem())
    openssl.write("middle.pem", ours.middle.pem())
    openssl.write("caller.pem", ours.caller.pem())
    verify = f"verify -x509_strict -vfyopt {USER_ID} -attime {int(AT.timestamp()) + 60}"
    assert "OK" in openssl.run(f"{verify} -CAfile root.pem middle.pem")
    link = f"{verify} -partial_chain -trusted middle.pem -purpose"
    assert "OK" in openssl.run(f"{link} sslclient caller.pem")
    assert "purpose" in openssl.run(f"{link} sslserver caller.pem", fails=True)
    false = f"verify -vfyopt distid:other -attime {int(AT.timestamp()) + 60}"
    openssl.run(f"{false} -partial_chain -trusted middle.pem caller.pem", fails=True)


def test_openssl_verifies_the_signatures_of_our_root_and_our_list(openssl: Openssl) -> None:
    """Its ``verify`` has no user id for roots and lists: the signatures are checked alone."""
    ours = Ours()
    crl = read_crls(ours.crl(ours.root, ours.root_key, 5).encode())[0]
    openssl.write("root.pem", ours.root.pem())
    openssl.run("x509 -in root.pem -pubkey -noout -out root.pub")
    check = "pkeyutl -verify -pubin -inkey root.pub -rawin -digest sm3 -in body -sigfile signature"
    for signed in (ours.root, crl):
        (openssl.folder / "body").write_bytes(signed.body)
        (openssl.folder / "signature").write_bytes(signed.signature)
        assert "Success" in openssl.run(f"{check} -pkeyopt {USER_ID}")
        (openssl.folder / "body").write_bytes(signed.body[:-1] + b"\0")
        openssl.run(f"{check} -pkeyopt {USER_ID}", fails=True)


def test_openssl_and_cryptography_show_what_the_profile_says(openssl: Openssl) -> None:
    ours = Ours()
    openssl.write("caller.pem", ours.caller.pem())
    text = openssl.run("x509 -in caller.pem -noout -text -nameopt utf8")
    for line in (
        "Version: 3 (0x2)",
        "Signature Algorithm: SM2-with-SM3",
        "Public Key Algorithm: id-ecPublicKey",
        "ASN1 OID: SM2",
        "CN=Caller",
        "X509v3 Basic Constraints: critical",
        "Digital Signature, Non Repudiation",
        "TLS Web Client Authentication",
        "URI:https://code.example/v1/lists/certificates.crl",
    ):
        assert line in text, line
    parsed = x509.load_pem_x509_certificate(ours.caller.pem().encode())
    assert parsed.subject == make_name("Caller", "测试医院", "H99000100001")
    assert parsed.not_valid_before_utc == AT
    assert 0 < parsed.serial_number < 1 << 127
    assert parsed.serial_number == ours.caller.serial
    usage = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    late = order(Profile.ROOT, ours.root_key, "Late", datetime(2049, 6, 1, tzinfo=UTC))
    openssl.write("late.pem", issue_root(late, ours.root_key).pem())
    parsed_structure = openssl.run("asn1parse -in late.pem")
    assert "UTCTIME           :490601000000Z" in parsed_structure
    assert "GENERALIZEDTIME   :20500601000000Z" in parsed_structure


def test_openssl_verifies_our_request_and_reads_our_list(openssl: Openssl) -> None:
    key = PrivateKey.generate()
    openssl.write("request.pem", make_request(make_name("Caller"), key))
    assert "verify OK" in openssl.run(f"req -in request.pem -verify -noout -vfyopt {USER_ID}")
    ours = Ours()
    openssl.write("list.pem", ours.crl(ours.root, ours.root_key, 0x1234))
    text = openssl.run("crl -in list.pem -noout -text")
    for line in ("Version 2", "Serial Number: 1234", "Key Compromise", "CRL Number"):
        assert line in text, line


def test_we_accept_openssl_s_request_key_and_chain(openssl: Openssl) -> None:
    sign = f"-sm3 -sigopt {USER_ID}"
    for name in ("root", "middle", "leaf"):
        openssl.run(f"ecparam -genkey -name SM2 -noout -out {name}.key")
    openssl.run(f"req -x509 -new -key root.key {sign} -days 30 -extensions root -out root.pem")
    for name, above in (("middle", "root"), ("leaf", "middle")):
        openssl.run(f"req -new -key {name}.key {sign} -subj /C=CN/O=Test/CN={name} -out {name}.csr")
        openssl.run(
            f"x509 -req -in {name}.csr -CA {above}.pem -CAkey {above}.key -CAcreateserial {sign}"
            f" -vfyopt {USER_ID} -days 20 -extfile openssl.cnf -extensions {name} -out {name}.pem"
        )
    request = read_request(openssl.read("leaf.csr"))
    assert request.public == load_private_pem(openssl.read("leaf.key")).public
    assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "leaf"
    root, middle, leaf = (
        read_chain(openssl.read(f"{n}.pem"))[0] for n in ("root", "middle", "leaf")
    )
    openssl.run(
        f"ca -gencrl -name root_ca -keyfile root.key -cert root.pem -sigopt {USER_ID} -out a"
    )
    openssl.write(
        "index.txt", f"R\t360101000000Z\t260101000000Z\t{leaf.serial:040X}\tunknown\t/CN=leaf\n"
    )
    openssl.run(
        f"ca -gencrl -name root_ca -keyfile middle.key -cert middle.pem -sigopt {USER_ID} -out b"
    )
    now = leaf.not_before + timedelta(minutes=1)
    crls = read_crls((openssl.read("a") + openssl.read("b")).encode())
    assert check_path(leaf, [middle], Anchors(roots=[root], crls=None), now)
    assert check_path(middle_leaf(middle, openssl), [middle], Anchors(roots=[root], crls=crls), now)
    with pytest.raises(CertificateRefused) as caught:
        check_path(leaf, [middle], Anchors(roots=[root], crls=crls), now)
    assert caught.value.refusal == Refusal.REVOKED


def middle_leaf(middle: Certificate, openssl: Openssl) -> Certificate:
    """Another caller of the same authority, certified by us with openssl's key."""
    key = load_private_pem(openssl.read("middle.key"))
    return issue(
        Order(
            subject=make_name("Other"),
            public=PrivateKey.generate().public,
            profile=Profile.CALLER,
            serial=new_serial(),
            not_before=middle.not_before,
            not_after=middle.not_after,
        ),
        middle,
        key,
    )


def test_openssl_without_the_user_id_is_named(openssl: Openssl) -> None:
    openssl.run("ecparam -genkey -name SM2 -noout -out a.key")
    openssl.run("req -new -key a.key -sm3 -subj /CN=a -out a.csr -sigopt distid:other")
    with pytest.raises(CertificateRefused) as caught:
        read_request(openssl.read("a.csr"))
    assert caught.value.refusal == Refusal.PROOF
    openssl.run("req -new -key a.key -sm3 -subj /CN=a -out a.csr")
    with pytest.raises(CertificateRefused) as caught:
        read_request(openssl.read("a.csr"))
    assert caught.value.refusal == Refusal.USER_ID


def test_an_issuer_keeps_to_its_bounds() -> None:
    ours = Ours()
    outside = order(Profile.CALLER, ours.key, "Caller", AT + DAY)
    with pytest.raises(ValueError, match="inside its issuer's life"):
        issue(outside, ours.middle, ours.middle_key)
    with pytest.raises(ValueError, match="may certify no authority"):
        issue(order(Profile.INTERMEDIATE, ours.key, "Deep"), ours.middle, ours.middle_key)
    with pytest.raises(ValueError, match="not the issuer"):
        issue(order(Profile.CALLER, ours.key, "Caller"), ours.middle, ours.key)
    with pytest.raises(ValueError, match="not the issuer"):
        issue(order(Profile.CALLER, ours.key, "Caller"), ours.caller, ours.key)
    with pytest.raises(ValueError, match="its own key"):
        issue_root(order(Profile.ROOT, ours.key, "Root"), ours.root_key)
    with pytest.raises(ValueError, match="64 characters"):
        make_name("x" * 65)
    assert len({new_serial() for _ in range(100)}) == 100
    assert new_serial(lambda size: b"\xff" * size)[0] == 0x7F
    assert read_certificate(ours.caller.encoded) == ours.caller
