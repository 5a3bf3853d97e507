"""The rendered gateway and model, run as processes of their own: as any user, where nothing but /tmp may be written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.commands.command_line import run
from tests.helm.chart import config_dir, render
from tests.process import Process
from tests.service.rig import Client

ALLOWED = "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"
AS_SOMEBODY = ("setpriv", "--reuid=1000770000", "--regid=0", "--clear-groups", *ALLOWED) if os.geteuid() == 0 else ()
"""A user that no /etc/passwd knows, as OpenShift gives out. It may read all, as in images, and write nothing of root's.
Where it isn't root who tests, the process is of whoever does."""

FREEZE = """
mount --bind "$1" "$1"
for each in / /tmp; do
  if mountpoint --quiet "$each"; then mount -o remount,bind,ro "$each"; fi
done
shift
exec "$@"
"""
"""In a mount namespace: all is read-only but for one folder, which stands for the pod's /tmp."""


def frozen(home: Path) -> tuple[str, ...]:
    """Give what runs a command so, where mounts are allowed."""
    if os.geteuid() != 0:
        return ()
    words = ("unshare", "--mount", "sh", "-ec", FREEZE, "freeze", str(home), *AS_SOMEBODY)
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if probe.returncode == 0 else AS_SOMEBODY


FREE = ("server.address=127.0.0.1:0", "server.health_address=127.0.0.1:0", "telemetry.metrics_address=127.0.0.1:0")
"""The ports that the chart sets are checked by test_config.py; several of these tests may run at once."""


class Pod(Process):
    """A rendered container, without Kubernetes."""

    @classmethod
    async def start(cls, chart, name, folder: Path, *settings: str) -> Pod:
        """Run a pod's container with its arguments, its configuration, its variables and no others."""
        pod = chart.pod(name)
        (container,) = pod["spec"]["containers"]
        home = folder / "tmp"
        home.mkdir(parents=True)
        config = config_dir(chart, pod, folder / "etc")
        home.chmod(0o777)
        variables = {each["name"]: each["value"].replace("/tmp", str(home)) for each in container["env"]}
        variables["TMPDIR"] = str(home)
        words = [str(config) if word == "/etc/paddock" else word for word in container["args"]]
        process = await asyncio.create_subprocess_exec(
            *frozen(home), sys.executable, "-m", "services.cli", *words, *FREE, *settings,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), **variables},
            cwd="/", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return cls(process)


def test_the_file_system_is_read_only(tmp_path):
    """Also where anybody may write: else the test below shows less than it says."""
    words = frozen(tmp_path)
    if "unshare" not in words:
        pytest.skip("only root may mount, where it may")
    tmp_path.chmod(0o777)
    anywhere = subprocess.run([*words, "touch", "/tmp/frozen"], capture_output=True, text=True, check=False)
    assert "/tmp/frozen': Read-only file system" in anywhere.stderr
    assert subprocess.run([*words, "touch", tmp_path / "thawed"], check=False).returncode == 0


async def test_a_rendered_release_streams_drains_and_writes_nothing(tmp_path):
    """The model drains for as long as the chart says, and the test of `helm test` is what is streamed."""
    chart = render(gateway={"discovery": "dns"}, models={"paddock-tiny": {"drain": {"timeoutSeconds": 2}}})
    (test,) = chart.all("Pod")
    words = test["spec"]["containers"][0]["args"]
    model = await Pod.start(chart, "Deployment/paddock-model-paddock-tiny", tmp_path / "model")
    pods = [model]
    try:
        route = f"routing.models.paddock-tiny.pools=[{{name: main, upstreams: [{{address: '{await model.ready()}'}}]}}]"
        pods.append(await Pod.start(chart, "Deployment/paddock-gateway", tmp_path / "gateway", route))
        address = await pods[1].ready()
        words = [address if word == "paddock-gateway.serving.svc:50051" else word for word in words]
        assert await asyncio.to_thread(run, words) == 0
        for pod in pods:
            probe = Client((await pod.wrote(r"health on ([\d.:]+)"))[1])
            assert [await probe.serving(service) for service in ("", "liveness")] == ["SERVING"] * 2
            await probe.channel.close()
        for pod, most in zip(pods, (2, 600), strict=True):
            pod.signal()
            assert await pod.end() == 0
            assert f"draining, for at most {most} s" in pod.stderr
    finally:
        for pod in pods:
            await pod.kill()
