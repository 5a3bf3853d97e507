"""services.checkpoint: folders, embedded models, names that can't be found, and work that may be left behind."""

import asyncio
import errno
import threading
import time

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from services.checkpoint import in_daemon_thread, read_json, resolve
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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("peer closed connection"), "check the name, the network"),  # such is no OSError in every release
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full: make room, or set HF_HOME"),
    ],
)
def test_a_download_that_breaks_off_is_told_in_words(monkeypatch, error, message):
    def download(name, **options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(ConfigError, match=message):
        resolve("org/name", None, KEY)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_broken_json_is_told_with_its_path(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"config\.json"):
        read_json(tmp_path, "config.json")


def test_absent_json_is_empty(tmp_path):
    assert read_json(tmp_path, "config.json") == {}


async def test_a_daemon_thread_gives_results_and_errors():
    assert await in_daemon_thread(int, "11", base=3) == 4
    with pytest.raises(ValueError, match="invalid literal"):
        await in_daemon_thread(int, "x")


@pytest.mark.parametrize("ending", [lambda: None, lambda: 1 / 0])
def test_neither_cancelling_nor_the_loop_waits_for_a_daemon_thread(ending, caplog):
    release, threads = threading.Event(), []

    def block():
        threads.append(threading.current_thread())
        release.wait()
        ending()

    async def leave():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(in_daemon_thread(block), 0.05)

    started = time.monotonic()
    asyncio.run(leave())
    assert time.monotonic() - started < 5
    assert [(thread.daemon, thread.is_alive()) for thread in threads] == [(True, True)]
    release.set()
    threads[0].join(5)
    assert not threads[0].is_alive()
    assert not caplog.records


async def test_a_daemon_thread_may_end_after_its_await_was_cancelled():
    release = threading.Event()
    waiting = asyncio.create_task(in_daemon_thread(release.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await in_daemon_thread(lambda: "next") == "next"
