"""Certificates: what is due when, and that a TLS client believes the result."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from tandem_controller.webhooks.certificates import (
    CA_LIFE,
    LEAF_LIFE,
    Bundle,
    Due,
    next_look,
    renewed,
    what_is_due,
)

NAMES = ("tandem-webhook.vela-system.svc", "127.0.0.1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = renewed(None, NAMES, NOW)


def leaf(bundle: Bundle) -> x509.Certificate:
    return x509.load_pem_x509_certificate(bundle.cert)


def authorities(bundle: Bundle) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(bundle.ca)


def test_without_a_secret_everything_is_made() -> None:
    assert what_is_due(None, NAMES, NOW) is Due.ALL
    assert what_is_due(FRESH, NAMES, NOW) is Due.NOTHING
    assert renewed(FRESH, NAMES, NOW) == FRESH


def test_a_leaf_is_renewed_at_two_thirds_of_its_life_by_the_same_ca() -> None:
    two_thirds = NOW + LEAF_LIFE * 2 / 3
    assert what_is_due(FRESH, NAMES, two_thirds - timedelta(hours=1)) is Due.NOTHING
    assert what_is_due(FRESH, NAMES, two_thirds + timedelta(hours=1)) is Due.LEAF
    later = renewed(FRESH, NAMES, two_thirds + timedelta(hours=1))
    assert later.ca == FRESH.ca
    assert leaf(later).serial_number != leaf(FRESH).serial_number
    leaf(later).verify_directly_issued_by(authorities(FRESH)[0])


def test_the_old_ca_is_trusted_beside_the_new_one_for_replicas_that_still_serve_its_leaf() -> None:
    two_thirds = NOW + CA_LIFE * 2 / 3 + timedelta(hours=1)
    later = renewed(FRESH, NAMES, two_thirds)
    assert authorities(later)[1] == authorities(FRESH)[0]
    assert authorities(later)[0] != authorities(FRESH)[0]
    again = renewed(later, NAMES, NOW + CA_LIFE + CA_LIFE)
    assert len(authorities(again)) <= 2


def test_an_expired_ca_is_trusted_no_longer() -> None:
    assert len(authorities(renewed(FRESH, NAMES, NOW + CA_LIFE + timedelta(days=1)))) == 1


@pytest.mark.parametrize(
    ("bundle", "due"),
    [
        (Bundle(ca=b"", ca_key=b"", cert=b"", key=b""), Due.ALL),
        (Bundle(ca=FRESH.ca, ca_key=b"rubbish", cert=FRESH.cert, key=FRESH.key), Due.ALL),
        (Bundle(ca=FRESH.ca, ca_key=FRESH.ca_key, cert=FRESH.cert, key=FRESH.ca_key), Due.LEAF),
    ],
)
def test_a_damaged_secret_is_made_anew(bundle: Bundle, due: Due) -> None:
    assert what_is_due(bundle, NAMES, NOW) is due
    assert what_is_due(renewed(bundle, NAMES, NOW), NAMES, NOW) is Due.NOTHING


def test_a_leaf_of_another_ca_or_for_other_names_is_replaced() -> None:
    other = renewed(None, NAMES, NOW)
    mixed = Bundle(ca=other.ca, ca_key=other.ca_key, cert=FRESH.cert, key=FRESH.key)
    assert what_is_due(mixed, NAMES, NOW) is Due.LEAF
    assert what_is_due(FRESH, ("elsewhere.svc",), NOW) is Due.LEAF


def test_the_next_look_is_when_the_leaf_is_due() -> None:
    when = next_look(FRESH, NOW)
    assert what_is_due(FRESH, NAMES, when) is Due.LEAF
    assert what_is_due(FRESH, NAMES, when - timedelta(seconds=1)) is Due.NOTHING
    assert next_look(FRESH, NOW + LEAF_LIFE) == NOW + LEAF_LIFE


def test_a_bundle_survives_its_secret() -> None:
    assert Bundle.from_secret(FRESH.to_secret()) == FRESH
    assert Bundle.from_secret({"tls.crt": b"x"}) is None


def test_a_secret_of_cert_manager_needs_no_ca_key_and_any_kind_of_key(tmp_path: Path) -> None:
    ca = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = ca.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    data = {
        "ca.crt": ca.cert_pem.bytes(),
        "tls.crt": issued.cert_chain_pems[0].bytes(),
        "tls.key": issued.private_key_pem.bytes(),
    }
    bundle = Bundle.from_secret(data)
    assert bundle is not None
    assert next_look(bundle, NOW) >= NOW
    chain = tmp_path / "chain.pem"
    chain.write_bytes(bundle.key + bundle.cert)
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain)
