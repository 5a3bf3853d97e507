"""What pods run besides the server: the wait for the cache, its filling, start and stop of several nodes."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from services.commands.command_line import parse
from tests.helm.chart import ROOT, one_model, render

PATIENCE_S = 60


def container(chart, where, kind="containers"):
    """Give the first container of a pod."""
    name = next(name for name, _ in chart.templates() if name.startswith(where))
    return chart.pod(name)["spec"][kind][0]


def sh(words, folder, *, check=True, **environment):
    """Run the command of a container with programs of the test's own before the system's."""
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        words,
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def program(folder, name, text):
    """Put a program where the command looks first."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def filling(folder, **model):
    """Give the command that fills a cache at another place, and the name of what it makes."""
    chart = render(**one_model(cache={"size": "1Gi"}, **model))
    builder = container(chart, "Job/")
    script, name = builder["command"][2].replace("/tmp/built", str(folder / "built")), builder["args"][0]
    args = [str(folder / "cache") if word == "/var/cache/paddock" else word for word in builder["args"]]
    assert name == "fill"
    return ["sh", "-ec", script, *args], builder["args"][2]


STUB = """
echo "$@" >> "$HOME/calls"
case "$*" in *--engine*) made="$HOME/engine" ;; *) made="$HOME/snapshot" ;; esac
mkdir -p "$made"
echo "a line of the vendor's"
echo "$made"
"""


def test_an_engine_is_shown_with_its_checkpoint_when_both_are_whole(tmp_path):
    program(tmp_path, "paddock", STUB)
    engine = {"precision": "fp8", "maxBatchSize": 8, "maxSequenceLength": 4096, "build": {"enabled": True}}
    command, marker = filling(tmp_path, revision="abc", parallelism={"tensor": 4}, engine=engine)
    sh(command, tmp_path)
    ready = tmp_path / "cache" / "ready" / marker
    assert (ready / "checkpoint").resolve() == tmp_path / "snapshot"
    assert (ready / "engine").resolve() == tmp_path / "engine"
    fetched, compiled = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    for call in (fetched, compiled):
        args = parse(call.split())
        assert args.command == "build"
        assert args.output == tmp_path / "cache" / "engines"
    assert parse(fetched.split()).revision == "abc"
    args = parse(compiled.split())
    assert (args.engine, args.fp8, args.tensor, args.max_batch_size, args.max_seq_len) == (True, True, 4, 8, 4096)

    sh(command, tmp_path)  # again, as when a pod is replaced

    assert len((tmp_path / "calls").read_text(encoding="utf-8").splitlines()) == 2
    assert [path.name for path in ready.parent.iterdir()] == [marker]


def test_what_fails_shows_nothing_and_is_done_anew(tmp_path):
    program(tmp_path, "paddock", f'case "$*" in *--engine*) exit 1 ;; esac\n{STUB}')
    command, marker = filling(tmp_path, engine={"build": {"enabled": True}})
    assert sh(command, tmp_path, check=False).returncode != 0
    ready = tmp_path / "cache" / "ready" / marker
    assert not ready.exists()
    program(tmp_path, "paddock", STUB)
    sh(command, tmp_path)
    assert (ready / "engine").exists()
    assert [path.name for path in ready.parent.iterdir()] == [marker]


def test_paddock_itself_fills_it(tmp_path):
    """`paddock build` as it is, with a checkpoint that needs no network."""
    checkpoint = ROOT / "models" / "paddock-tiny"
    program(tmp_path, "paddock", f'exec "{sys.executable}" -m services.cli "$@"')
    command, marker = filling(tmp_path, checkpoint=str(checkpoint))
    sh(command, tmp_path, PYTHONPATH=f"{ROOT}:{ROOT / 'protos' / 'gen'}")
    assert (tmp_path / "cache" / "ready" / marker / "checkpoint" / "config.json").is_file()


def test_who_waits_for_the_cache_goes_on_when_it_is_there(tmp_path):
    program(tmp_path, "sleep", f'mkdir -p "{tmp_path}/ready"')
    chart = render(**one_model(cache={"size": "1Gi", "budgetSeconds": 60}))
    command = container(chart, "Deployment/paddock-model", "initContainers")
    script = ["sh", "-ec", command["command"][2], "wait"]
    sh([*script, str(tmp_path / "ready"), command["args"][2]], tmp_path)
    program(tmp_path, "sleep", f'echo "$1" >> "{tmp_path}/slept"')
    done = sh([*script, str(tmp_path / "absent"), command["args"][2]], tmp_path, check=False)
    assert done.returncode == 1
    assert "still not there after 60 s" in done.stderr
    assert (tmp_path / "slept").read_text(encoding="utf-8").split() == ["5"] * 12


WAITING = {
    "wait": ("Deployment/paddock-model-mine", "initContainers", {}, "sleep"),
    "fill": ("Job/", "containers", {}, "paddock"),
    "leader": ("LeaderWorkerSet/paddock-group-mine/leaderTemplate", "containers", {"nodes": 2}, "ssh"),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_ends_when_it_is_told_to(tmp_path, name):
    """A shell that is process 1 has no other notice of SIGTERM than its trap's."""
    where, kind, nodes, program_of = WAITING[name]
    sizes = {"parallelism": {"tensor": 2, **nodes}, "launch": {"existingSecret": "ssh"}}
    found = container(render(**one_model(cache={"size": "1Gi"}, **sizes)), where, kind)
    (tmp_path / "cache").mkdir()
    os.mkfifo(tmp_path / "begun")
    program(tmp_path, program_of, f'echo > "{tmp_path}/begun"; /bin/sleep 0.1')
    script = found["command"][2].replace("/tmp/", f"{tmp_path}/")
    words = [word.replace("/var/cache", str(tmp_path)) for word in found["args"]]
    address = {"LWS_LEADER_ADDRESS": "a.b", "LWS_GROUP_SIZE": "2"}
    path = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", **address}
    waiting = subprocess.Popen(["sh", "-ec", script, *(words if name != "leader" else ["leader"])], env=path)
    try:
        (tmp_path / "begun").read_text(encoding="utf-8")
        waiting.terminate()
        assert waiting.wait(PATIENCE_S) == 143
    finally:
        waiting.kill()
        waiting.wait()


@pytest.fixture
def wide():
    """A model over two nodes."""
    sizes = {"tensor": 8, "pipeline": 2, "nodes": 2}
    return render(
        **one_model(
            parallelism=sizes,
            launch={"existingSecret": "ssh"},
            cache={"size": "1Ti"},
            drain={"preStopSeconds": 3},
            env=[{"name": "NCCL_IB_HCA", "value": "mlx5"}],
        )
    )


def test_the_leader_starts_all_ranks_when_their_pods_answer(tmp_path, wide):
    """The first pod asks the second by SSH until it answers, and hands all to MPI, which hands the server to rank 0."""
    leader = container(wide, "LeaderWorkerSet/paddock-group-mine/leaderTemplate")
    program(tmp_path, "ssh", 'echo "$@" >> "$HOME/asked"; [ "$(wc -l < "$HOME/asked")" -ge 3 ]')
    program(tmp_path, "sleep", ":")
    program(
        tmp_path,
        "mpirun",
        'printf "%s\\n" "$@" > "$HOME/mpirun"; while [ "$1" != trtllm-llmapi-launch ]; do shift; done; exec "$@"',
    )
    program(tmp_path, "trtllm-llmapi-launch", 'words="$*"; exec $words')  # as the vendor's: split at every space
    program(tmp_path, "paddock", 'echo "$$ $@" > "$HOME/served"')
    script = leader["command"][2].replace("/tmp/", f"{tmp_path}/")
    address = "paddock-group-mine-0.paddock-group-mine.serving"
    sh(
        ["sh", "-ec", script, leader["command"][3], *leader["args"]],
        tmp_path,
        LWS_LEADER_ADDRESS=address,
        LWS_GROUP_SIZE="2",
    )
    worker = "paddock-group-mine-0-1.paddock-group-mine.serving"
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert len(asked) == 3
    assert all(line.endswith(f"{worker} true") for line in asked)
    assert (tmp_path / "hosts").read_text(encoding="utf-8") == f"localhost slots=8\n{worker} slots=8\n"
    started = (tmp_path / "mpirun").read_text(encoding="utf-8").splitlines()
    assert started[started.index("-np") + 1] == "16"
    passed = {after for before, after in pairwise(started) if before == "-x"}
    assert {"PATH", "HF_HOME", "NCCL_IB_HCA"} <= passed  # ranks know no others of the container's
    pid, *words = (tmp_path / "served").read_text(encoding="utf-8").split()
    assert words == leader["args"]
    assert pid == (tmp_path / "server.pid").read_text(encoding="utf-8").strip()


def test_the_leader_s_server_alone_is_told_to_stop_and_waited_for(tmp_path, wide):
    leader = container(wide, "LeaderWorkerSet/paddock-group-mine/leaderTemplate")
    program(tmp_path, "sleep", f'echo "$1" >> "{tmp_path}/slept"; exec /bin/sleep 0.05')
    server = subprocess.Popen([sys.executable, "-c", STOPS], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "up\n"
        (tmp_path / "server.pid").write_text(f"{server.pid}\n", encoding="utf-8")
        script = leader["lifecycle"]["preStop"]["exec"]["command"][2].replace("/tmp/", f"{tmp_path}/")
        path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
        stopping = subprocess.Popen(["sh", "-ec", script], env={"PATH": path})
        assert server.wait(PATIENCE_S) == 0  # reaped here: until then the script sees it
        assert stopping.wait(PATIENCE_S) == 0
    finally:
        server.stdout.close()
        server.kill()
        server.wait()
    slept = (tmp_path / "slept").read_text(encoding="utf-8").split()
    assert slept[0] == "3"
    assert set(slept[1:]) == {"1"}


def test_a_rank_goes_on_until_mpi_ends(tmp_path, wide):
    """It is told to stop together with its leader, which drains meanwhile."""
    rank = container(wide, "LeaderWorkerSet/paddock-group-mine/workerTemplate")
    shutil.copy("/bin/sleep", tmp_path / "orted")
    daemon = subprocess.Popen([tmp_path / "orted", str(PATIENCE_S)])
    program(tmp_path, "sleep", f"kill {daemon.pid} 2> /dev/null; exec /bin/sleep 0.05")  # MPI ends while it waits
    path = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    stopping = subprocess.Popen(rank["lifecycle"]["preStop"]["exec"]["command"], env=path)
    try:
        assert daemon.wait(PATIENCE_S) == -signal.SIGTERM  # not before something waited for it
        assert stopping.wait(PATIENCE_S) == 0
    finally:
        for process in (daemon, stopping):
            process.kill()
            process.wait()


STOPS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit(0)))
print("up", flush=True)
signal.pause()
"""


def test_a_rank_listens_for_its_leader(tmp_path, wide):
    """Only with keys, and without what would need root. Where there is an sshd, it takes the options."""
    rank = container(wide, "LeaderWorkerSet/paddock-group-mine/workerTemplate")
    program(tmp_path, "sshd", 'printf "%s\\n" "$@" > "$HOME/sshd"')
    sh(rank["command"], tmp_path)
    words = (tmp_path / "sshd").read_text(encoding="utf-8").split()
    assert words[words.index("-p") + 1] == str(rank["ports"][0]["containerPort"])
    assert {"PasswordAuthentication=no", "UsePAM=no"} <= set(words)
    real = next((path for path in map(Path, ("/usr/sbin/sshd", "/usr/bin/sshd")) if path.exists()), None)
    if real is not None:
        key = tmp_path / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=PATIENCE_S)
        tested = [str(key) if word == "/run/ssh/id_ed25519" else word for word in words if word not in ("-D", "-e")]
        subprocess.run([real, "-t", *tested], check=True, timeout=PATIENCE_S, env={**os.environ})
