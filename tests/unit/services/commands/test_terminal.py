"""The commands as processes of their own: on a terminal, in pipes, and stopped by Ctrl-C."""

from __future__ import annotations

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.v1.chat_pb2 import Role
from paddock.v1.generate_pb2 import FinishReason
from paddock.v1.model_pb2 import GetModelResponse, Model, ModelState
from services.errors import QueueFullError
from tests.unit.services.commands.fake_server import HANG, answer, call, finished, started, text

ROOT = Path(__file__).parents[4]
PATIENCE_S = 30
COMMAND = (sys.executable, "-m", "services.cli")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("LC_")},
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'protos/gen'}",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, *argv: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        os.close(theirs)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.shown = ""

    def expect(self, awaited: str) -> str:
        """Read until a text is shown; return what was shown up to its end, and forget that."""
        assert self._shows(awaited, PATIENCE_S), f"{awaited!r} was not shown, but {self.shown!r}"
        end = self.shown.index(awaited) + len(awaited)
        seen, self.shown = self.shown[:end], self.shown[end:]
        return seen.replace("\r\n", "\n")

    def _shows(self, awaited: str, patience_s: float) -> bool:
        while awaited not in self.shown:
            ready, _, _ = select.select([self._ours], [], [], patience_s)
            if not ready:
                return False
            self.shown += self._decode(os.read(self._ours, 65536))
        return True

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def press_ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def press_ctrl_c_until(self, awaited: str) -> None:
        """Press again when nothing happens: Python overlooks a signal between readline's prompt and its waiting."""
        for _ in range(PATIENCE_S):
            self.press_ctrl_c()
            if self._shows(awaited, patience_s=1):
                break
        self.expect(awaited)

    def end(self) -> int:
        """Return the exit code."""
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._ours)


@pytest.fixture
def chat(server) -> Iterator[Terminal]:
    """A chat that has greeted."""
    model = Model(name="paddock-tiny", state=ModelState.MODEL_STATE_READY)
    server.responses["GetModel"] = GetModelResponse(model=model)
    terminal = Terminal("chat", "--address", server.address)
    greeting = terminal.expect("> ")
    assert f"paddock-tiny at {server.address}. /help tells what there is; Ctrl-D ends." in greeting
    server.requests.clear()
    yield terminal
    terminal.close()


def test_a_talk(server, chat):
    server.scripts.extend([answer("Hel", "lo."), answer("Bye.")])
    chat.type("hi\n")
    assert chat.expect("> ").endswith("Hello.\n> ")
    chat.type("bye\n")
    assert chat.expect("> ").endswith("Bye.\n> ")
    chat.type("\x04")
    assert chat.end() == 0
    assert len(server.requests[1].chat.messages) == 3


def test_ctrl_c_stops_the_answer_and_not_the_talk(server, chat):
    server.scripts.extend([[started(), text("For ever and"), HANG], answer("Fine.")])
    chat.type("tell me\n")
    chat.expect("For ever and")
    chat.press_ctrl_c()
    chat.expect("[stopped]\n> ".replace("\n", "\r\n"))
    assert server.cancelled.wait(PATIENCE_S)
    chat.type("shorter\n")
    chat.expect("Fine.")
    assert [m.content[0].text for m in server.requests[1].chat.messages] == ["tell me", "For ever and", "shorter"]


def test_ctrl_c_at_the_prompt_gives_a_new_one(chat):
    chat.press_ctrl_c_until("> ")
    chat.type("/quit\n")
    assert chat.end() == 0


def test_a_failed_turn_is_told_and_forgotten(server, chat):
    server.scripts.extend([[QueueFullError("m", 1)], answer("Now.")])
    chat.type("one\n")
    chat.expect("[model 'm' has too many requests waiting: try again in 1 s]")
    chat.expect("> ")
    chat.type("/nonsense\n")
    chat.expect("[there is no /nonsense")
    chat.expect("> ")
    chat.type("two\n")
    chat.expect("Now.")
    assert [m.content[0].text for m in server.requests[1].chat.messages] == ["two"]


def test_a_tools_result_is_asked_for(server, chat):
    server.scripts.extend(
        [[started(), call("{}", id="a", name="now"), finished(FinishReason.FINISH_REASON_TOOL_CALLS)], answer("Noon.")]
    )
    chat.type("time?\n")
    assert "-> now({})" in chat.expect("now gives> ")
    chat.type("12:00\n")
    chat.expect("Noon.")
    result = server.requests[1].chat.messages[-1]
    assert (result.role, result.content[0].text) == (Role.ROLE_TOOL, "12:00")


def test_an_answer_can_not_act_on_the_terminal(server, chat):
    server.scripts.append(answer("\x1b]0;owned\x07\x9b2Jdone"))
    chat.type("hi\n")
    assert "␛]0;owned␇\ufffd2Jdone" in chat.expect("done")


def test_without_a_server_it_ends_before_the_first_prompt(server):
    server.stop()
    terminal = Terminal("chat", "--address", server.address)
    terminal.expect(f"paddock chat: no server at {server.address}; start one with: make run (or paddock serve)")
    assert terminal.end() == 1
    terminal.close()


def piped(*argv: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**ENVIRONMENT, **(env or {})},
    )


def test_text_streams_into_a_pipe_and_ctrl_c_cancels_the_call(server):
    server.scripts.append([started(), text("first"), HANG])
    with piped("generate", "hi", "--address", server.address) as process:
        assert process.stdout.read(5) == b"first", "before the answer is complete"
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, rest, err) == (130, b"\n", b"")
    assert server.cancelled.wait(PATIENCE_S)


def test_a_reader_that_leaves_ends_it_quietly(server):
    server.scripts.append([started(), text("one\n"), *[text("more\n" * 1000)] * 1000, finished()])
    with piped("generate", "hi", "--address", server.address) as process:
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 141
        assert process.stderr.read() == b""


def test_output_that_lacks_characters_shows_escapes(server):
    server.scripts.append(answer("é"))
    with piped("generate", "hi", "--address", server.address, env={"PYTHONIOENCODING": "ascii"}) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out, err) == (0, b"\\xe9\n", b"")
