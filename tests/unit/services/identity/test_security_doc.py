"""What docs/security.md shows can be used."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from services import config
from services.commands.command_line import parse
from services.identity.certificate import channel_credentials, server_files
from services.identity.config import TlsConfig

TEXT = (Path(__file__).parents[4] / "docs" / "security.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^(?:PADDOCK_API_KEY=\S+ )?((?:paddock|openssl) (?:.*\\\n)*.*?)(?: {2,}#.*| >>.*)?$", TEXT, re.MULTILINE
)


def commands(name: str) -> list[list[str]]:
    words = [shlex.split(re.sub(r" >>.*", "", command.replace("\\\n", ""))) for command in COMMANDS]
    return [arguments for command, *arguments in words if command == name]


def test_commands_can_be_read():
    shown = commands("paddock")
    assert [argv[0] for argv in shown] == ["serve", "serve", "models", "key", "chat"]
    for argv in shown:
        parse(argv)
        if argv[0] == "serve":
            config.load(argv[1:])


def test_a_certificate_that_is_its_own_authority(tmp_path):
    (arguments,) = commands("openssl")
    subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)
    cert, key = str(tmp_path / "server.pem"), str(tmp_path / "server.key")
    assert server_files(TlsConfig(cert, key)) is not None
    assert channel_credentials({"ca": cert}, {"ca": Path(cert).read_bytes()}) is not None


def test_a_pool_with_certificates_and_a_key(tmp_path):
    (written,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "routing").mkdir()
    (tmp_path / "routing" / "mine.yaml").write_text(written)
    (pool,) = config.load(["routing=mine"], str(tmp_path)).routing.models["mine"].pools
    assert pool.tls.ca_file == "/run/tls/ca.pem"
    assert pool.api_key_file == "/run/secrets/worker-key"
