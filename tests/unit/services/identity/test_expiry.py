"""When a certificate ends, and who is told."""

from __future__ import annotations

import logging
import time

import pytest
from cryptography import x509

from services.config import PaddockConfig, ServerConfig
from services.identity import expiry
from services.identity.config import TlsConfig
from services.identity.expiry import Expiries, ends
from services.identity.file import Reloaded
from services.server import Server
from services.telemetry.config import TelemetryConfig
from tests.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("expiry") / "authority")


@pytest.mark.parametrize("days", [1, 300, 20_000])  # after 2049 the time is written in another form
def test_the_end_is_the_certificates(authority, days):
    pem = authority.issue(f"in-{days}", "DNS:a", days=days).cert.read_bytes()
    assert ends(pem) == x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def test_of_several_the_first_counts(authority):
    chain = authority.file.read_bytes() + b"text\n" + authority.issue("soon", "DNS:a", days=3).cert.read_bytes()
    assert ends(chain) == pytest.approx(time.time() + 3 * 86_400, abs=100)


def test_what_is_no_certificate_has_no_end(authority):
    pem = authority.file.read_bytes()
    for spoiled in (b"", b"\xff", pem[:200], pem.replace(b"M", b"N", 1), authority.issue("k", "").key.read_bytes()):
        assert ends(spoiled) is None


def test_each_warning_comes_once_and_again_for_another_certificate(authority, caplog, monkeypatch, tmp_path):
    file = tmp_path / "server.pem"
    file.write_bytes(authority.issue("w", "DNS:a", days=40).cert.read_bytes())
    reloaded = Reloaded({"server.tls.cert_file": str(file)}, len)
    expiries, now = Expiries([reloaded]), time.time()

    def told(days: float) -> list[int]:
        caplog.clear()
        monkeypatch.setattr(expiry.time, "time", lambda: now + days * 86_400)
        expiries.tell()
        expiries.tell()
        return [record.levelno for record in caplog.records]

    assert [told(days) for days in (0, 11, 20, 34, 38, 39.5, 41, 60)] == [
        *([], [logging.WARNING], [], [logging.WARNING], [], [logging.WARNING], [logging.ERROR], [])
    ]
    file.write_bytes(authority.issue("x", "DNS:a", days=61).cert.read_bytes())
    reloaded.refresh()
    assert told(59) == [logging.WARNING]
    assert "server.tls.cert_file: a certificate ends on 20" in caplog.text


def test_the_metric_has_each_certificate(authority):
    pair = authority.issue("server", "IP:127.0.0.1", days=9)
    tls = TlsConfig(str(pair.cert), str(pair.key), str(authority.file))
    server = Server(PaddockConfig(server=ServerConfig(tls=tls), telemetry=TelemetryConfig()))
    days = {key: round(left / 86_400) for key, left in server._expiries.left_s().items()}
    assert days == {"server.tls.cert_file": 9, "server.tls.client_ca_file": 30}
