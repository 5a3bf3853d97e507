"""services.checkpoint: folders, embedded models, and names that can't be found."""

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from services.checkpoint import read_json, resolve
from services.errors import ConfigError

KEY = "models.x.checkpoint"


def test_a_folder_is_itself(tmp_path):
    assert resolve(str(tmp_path), None, KEY) == tmp_path


def test_embedded_models_ship_with_the_package():
    assert (resolve("embedded:paddock-tiny", None, KEY) / "tokenizer.json").is_file()


@pytest.mark.parametrize("checkpoint", ["/no/such", "./no/such", "embedded:nothing", "nothing", "a/b/c"])
def test_what_is_no_folder_and_no_hub_name_is_refused(checkpoint):
    with pytest.raises(ConfigError, match=rf"^{KEY}: no folder"):
        resolve(checkpoint, None, KEY)


def test_a_hub_name_is_fetched_at_its_revision_without_code_or_pickles(monkeypatch, tmp_path):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert resolve("org/name", "v1", KEY) == tmp_path
    assert (asked["name"], asked["revision"]) == ("org/name", "v1")
    assert all(pattern.endswith((".json", ".safetensors", ".jinja")) for pattern in asked["allow_patterns"])


def test_a_hub_that_does_not_answer_is_told_in_words(monkeypatch):
    def download(name, **options):
        raise LocalEntryNotFoundError("secret details")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ConfigError, match="could not be fetched") as caught:
        resolve("org/name", None, KEY)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_broken_json_is_told_with_its_path(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"config\.json"):
        read_json(tmp_path, "config.json")


def test_absent_json_is_empty(tmp_path):
    assert read_json(tmp_path, "config.json") == {}
