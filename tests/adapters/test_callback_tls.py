"""Calls to callbacks over TLS: the name of the URL is the one that is asked for and verified."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.domain.callbacks import Answer, CallbackPolicy
from tests.adapters.scripted_flow import BODY, HEADERS, calling, flow


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for flow.test, signed by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "flow.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("flow.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "flow.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


async def test_the_name_of_the_url_is_asked_for_and_verified(authority: Path, server_tls: ssl.SSLContext) -> None:
    asked: list[str | None] = []
    server_tls.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=authority)
    policy = CallbackPolicy(("flow.test", "other.test"), allow_insecure=True)
    async with flow(tls=server_tls) as receiver, calling(policy, tls=trusting) as client:
        url = receiver.url(scheme="https")
        assert await client.post(url, BODY, HEADERS) == Answer(status=202)
        assert await client.post(url.replace("flow.test", "other.test"), BODY, HEADERS) == Answer(
            failure="connection failed: SSLCertVerificationError"
        )
    assert asked == ["flow.test", "other.test"]
    assert len(receiver.requests) == 1


async def test_a_certificate_of_an_unknown_authority_is_a_failure(server_tls: ssl.SSLContext) -> None:
    async with flow(tls=server_tls) as receiver, calling() as client:
        answer = await client.post(receiver.url(scheme="https"), BODY, HEADERS)
    assert answer == Answer(failure="connection failed: SSLCertVerificationError")
    assert receiver.requests == []


async def test_a_server_that_does_not_speak_tls_is_a_failure() -> None:
    async with flow() as receiver, calling(seconds=0.3) as client:
        answer = await client.post(receiver.url(scheme="https"), BODY, HEADERS)
    assert answer.failure is not None
