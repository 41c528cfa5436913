"""The certificates of the webhook server: a CA and a leaf, made here and kept in a Secret.

What is due is a pure function of the Secret's content and the time. A leaf is renewed
after two thirds of its life, a CA likewise; the old CA stays in the bundle until it
expires, so that replicas which still serve the old leaf are trusted. A Secret of
cert-manager (with its annotations) is used as it is: renewing it is cert-manager's work.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=90)
CLOCK_SKEW = timedelta(minutes=5)
"""A certificate is valid a little before it is made: clocks differ."""

CERT_MANAGER_ANNOTATION = "cert-manager.io/certificate-name"

CA_CERT, CA_KEY = "ca.crt", "ca.key"
CERT, KEY = "tls.crt", "tls.key"
"""Keys of the Secret; the same as cert-manager's, plus the CA's key."""


class Due(StrEnum):
    """What has to be done."""

    NOTHING = "nothing"
    LEAF = "leaf"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Content of the Secret. `ca` may hold several certificates; the first one signs."""

    ca: bytes
    ca_key: bytes = b""
    cert: bytes
    key: bytes

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes]) -> Bundle | None:
        """Return the bundle of a Secret's decoded data; None where parts are missing."""
        if not all(data.get(name) for name in (CA_CERT, CERT, KEY)):
            return None
        return cls(ca=data[CA_CERT], ca_key=data.get(CA_KEY, b""), cert=data[CERT], key=data[KEY])

    def to_secret(self) -> dict[str, bytes]:
        """Return the Secret's data."""
        return {CA_CERT: self.ca, CA_KEY: self.ca_key, CERT: self.cert, KEY: self.key}


def what_is_due(bundle: Bundle | None, names: Sequence[str], now: datetime) -> Due:
    """Return what has to be made anew: the leaf, both, or nothing.

    A leaf for other names, of another CA or unreadable counts as missing.
    """
    if bundle is None:
        return Due.ALL
    try:
        authority = x509.load_pem_x509_certificates(bundle.ca)[0]
        leaf = x509.load_pem_x509_certificate(bundle.cert)
        _load_key(bundle.ca_key), _load_key(bundle.key)
    except (ValueError, IndexError, TypeError):
        return Due.ALL
    if _worn(authority, now):
        return Due.ALL
    fits = _names_of(leaf) == set(names) and _signed_by(leaf, authority) and _pair(leaf, bundle.key)
    return Due.LEAF if not fits or _worn(leaf, now) else Due.NOTHING


def renewed(bundle: Bundle | None, names: Sequence[str], now: datetime) -> Bundle:
    """Return a bundle in which nothing is due."""
    due = what_is_due(bundle, names, now)
    if bundle is None or due is Due.ALL:
        return _made_anew(bundle, names, now)
    if due is Due.LEAF:
        authority = x509.load_pem_x509_certificates(bundle.ca)[0]
        cert, key = _make_leaf(authority, _load_key(bundle.ca_key), names, now)
        return Bundle(ca=bundle.ca, ca_key=bundle.ca_key, cert=cert, key=key)
    return bundle


def next_look(bundle: Bundle, now: datetime) -> datetime:
    """Return when the next renewal is due, at the earliest `now`."""
    certificates = [
        x509.load_pem_x509_certificates(bundle.ca)[0],
        x509.load_pem_x509_certificate(bundle.cert),
    ]
    return max(now, min(map(_renewal_time, certificates)))


def end_of(pem: bytes) -> datetime | None:
    """Return when the first certificate of a PEM text ends; None where it holds none."""
    try:
        return x509.load_pem_x509_certificates(pem)[0].not_valid_after_utc
    except ValueError:
        return None


def _made_anew(bundle: Bundle | None, names: Sequence[str], now: datetime) -> Bundle:
    authority, ca_key = _make_authority(now)
    cert, key = _make_leaf(authority, ca_key, names, now)
    trusted = _pem(authority) + b"".join(map(_pem, _still_valid(bundle, now)))
    return Bundle(ca=trusted, ca_key=_pem_key(ca_key), cert=cert, key=key)


def _still_valid(bundle: Bundle | None, now: datetime) -> list[x509.Certificate]:
    try:
        known = x509.load_pem_x509_certificates(bundle.ca) if bundle else []
    except ValueError:
        return []
    return [certificate for certificate in known[:1] if certificate.not_valid_after_utc > now]


def _make_authority(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own for every CA: verifiers choose the issuer by its name.
    name = _name(f"tandem-webhook-ca-{x509.random_serial_number():x}"[:48])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _builder(name, name, key, now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_leaf(
    authority: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name("tandem-webhook"), authority.subject, key, now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(map(_alternative, names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
    )
    return _pem(builder.sign(ca_key, hashes.SHA256())), _pem_key(key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _renewal_time(certificate: x509.Certificate) -> datetime:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def _worn(certificate: x509.Certificate, now: datetime) -> bool:
    return now >= _renewal_time(certificate) or now < certificate.not_valid_before_utc


def _names_of(leaf: x509.Certificate) -> set[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in extension.value}


def _signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pair(leaf: x509.Certificate, key: bytes) -> bool:
    return leaf.public_key() == _load_key(key).public_key()


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key of ours")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
