"""Certificates, tokens and kubeconfigs of one cluster, all made anew at each start."""

import datetime as dt
import ipaddress
import secrets
from collections.abc import Iterable
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.layout import Layout
from devcluster.options import MASTERS

COMPONENTS = ("kube-controller-manager", "kube-scheduler", "kwok", "kubelet", "traefik")
"""Users of the cluster's own programs: a name each, so that the audit log tells who asked."""

PROXY = "front-proxy-client"
"""Whose certificate the API server shows to an API server behind it, with its user's name."""

_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_LIFETIME = dt.timedelta(days=365)

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def create(layout: Layout, users: Iterable[str], addresses: Iterable[str], server: str) -> None:
    """Write the authority, the API server's certificate, tokens and one kubeconfig a user."""
    layout.pki.mkdir(parents=True, exist_ok=True)
    layout.pki.chmod(0o700)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("tandem-devcluster", ca_key, None, ())
    layout.ca_file.write_bytes(_pem(ca))
    server_key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("kube-apiserver", server_key, (ca, ca_key), addresses)
    (layout.pki / "server.crt").write_bytes(_pem(certificate))
    _write_key(layout.pki / "server.key", server_key)
    client_key = ec.generate_private_key(ec.SECP256R1())
    client = _certificate("kube-apiserver", client_key, (ca, ca_key), ())
    (layout.pki / "kubelet-client.crt").write_bytes(_pem(client))
    _write_key(layout.pki / "kubelet-client.key", client_key)
    proxy_key = ec.generate_private_key(ec.SECP256R1())
    proxy = _certificate(PROXY, proxy_key, (ca, ca_key), ())
    (layout.pki / "front-proxy.crt").write_bytes(_pem(proxy))
    _write_key(layout.pki / "front-proxy.key", proxy_key)
    # Service account tokens: the API server signs with RSA or ECDSA; RSA is what clients expect.
    _write_key(layout.pki / "sa.key", rsa.generate_private_key(65537, 2048))
    tokens = {user: secrets.token_hex(16) for user in ("admin", *users, *COMPONENTS)}
    # https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
    rows = [f'{token},{user},{user},"{MASTERS}"\n' for user, token in tokens.items()]
    _write_private(layout.pki / "tokens.csv", "".join(rows).encode())
    for user, token in tokens.items():
        _write_private(layout.kubeconfig(user), _kubeconfig(layout, server, user, token))


def token_of(kubeconfig: Path) -> str:
    """The token in a kubeconfig that ``create`` wrote."""
    token: str = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    return token


def _kubeconfig(layout: Layout, server: str, user: str, token: str) -> bytes:
    cluster = {"server": server, "certificate-authority": str(layout.ca_file)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tandem", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "tandem", "context": {"cluster": "tandem", "user": user}}],
        "current-context": "tandem",
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    addresses: Iterable[str],
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signing_key = issuer[1] if issuer else key
    # Python 3.13 verifies strictly: an authority must state its key usage, a leaf its issuer's key.
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
        critical=False,
    )
    if issuer is None:
        builder = builder.add_extension(_CA_USAGE, critical=True)
    else:
        ips = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        names = [x509.DNSName(dns) for dns in _NAMES]
        builder = builder.add_extension(x509.SubjectAlternativeName([*names, *ips]), critical=False)
        usage = x509.ExtendedKeyUsage(_LEAF_USAGE)
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(signing_key, hashes.SHA256())


_LEAF_USAGE = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
_CA_USAGE = x509.KeyUsage(
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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: _PrivateKey) -> None:
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    _write_private(path, encoded)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
