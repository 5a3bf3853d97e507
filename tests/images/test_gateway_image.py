"""The gateway's image, made by its own steps, runs as nobody in a file system that can't be written to."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from paddock.v1 import generate_pb2, inference_pb2_grpc
from tests.images.containerfile import FILE, ROOT, read
from tests.images.engine import Engine, Tree, obstacle
from tests.process import Process

pytestmark = pytest.mark.timeout(600)  # most of it is in the first test, which makes the image
SITE = next((ROOT / ".venv" / "lib").glob("python*/site-packages"))
UIDS = [65532, 1_000_650_000]
"""The image's own, and one that no passwd file knows, as OpenShift gives."""
ROUTING = """# @package routing
models:
  far:
    name: paddock-tiny
    pools: [{name: main, upstreams: [{address: "ADDRESS"}]}]
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, and what is in force in it."""
    folder = tmp_path_factory.mktemp("engine")
    if why := obstacle(folder):
        pytest.skip(why)
    return Engine(read(FILE.read_text()), folder).build("gateway")


def run(image, *command, uid=UIDS[0]):
    """Run a command to its end."""
    entered = image.tree.frozen(image.environment, command, uid, {})
    return subprocess.run(entered, capture_output=True, text=True, timeout=60, check=False)


@asynccontextmanager
async def serving(tree, environment, *arguments, uid=UIDS[0], binds=None):
    """Run `paddock serve`, on a free port."""
    command = ["paddock", "serve", "server.address=127.0.0.1:0", *arguments]
    entered = tree.frozen(environment, command, uid, binds or {})
    process = await asyncio.create_subprocess_exec(
        *entered, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    running = Process(process)
    try:
        yield running
    finally:
        await running.kill()


async def generate(address, **fields):
    """Ask for some tokens, and give the pool that the answer came from, if any."""
    async with grpc.aio.insecure_channel(address) as channel:
        wanted = generate_pb2.GenerateRequest(prompt="the horse", max_tokens=4, **fields)
        call = inference_pb2_grpc.InferenceServiceStub(channel).Generate(wanted, timeout=30)
        answer = await call
        assert answer.outputs[0].text
        return dict(await call.trailing_metadata()).get("x-paddock-pool")


def test_it_has_what_it_needs_and_nothing_that_computes(image):
    packages = next((image.tree.top / "opt/paddock/lib").glob("python*/site-packages"))
    there = {path.name for path in packages.iterdir()}
    assert {"services", "backends", "conf", "llama", "models", "paddock", "grpc", "h11"} <= there
    assert not there & {"torch", "transformers", "numpy", "safetensors", "pip", "hatchling", "tests", "benchmarks"}
    assert not list(image.tree.top.glob("src")), "what built it is in it"
    named = subprocess.run(
        ["git", "ls-files", "conf", "models", "protos/gen"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made = ("models/__init__.py", "models/guards/", "models/training/")  # what made the models, not what they are
    wanted = {name.removeprefix("protos/gen/") for name in named.stdout.split() if not name.startswith(made)}
    assert len(wanted) > 50
    assert not {name for name in wanted if not (packages / name).is_file()}
    assert (packages / "paddock/py.typed").is_file()
    compiled = {path.name.partition(".")[0] for path in (packages / "services").rglob("*.pyc")}
    assert "server" in compiled, "it would be compiled at every start"


def test_it_says_its_version_and_owns_nothing(image):
    done = run(image, "paddock", "--version", uid=UIDS[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.1.0" in done.stdout
    told = run(
        image,
        "sh",
        "-c",
        "id -u; cd; pwd; touch /etc/paddock/a; touch /var/cache/paddock/a; touch /opt/a; touch /tmp/a",
    )
    assert told.stdout.split() == ["65532", "/tmp"]
    assert told.stderr.count("Read-only file system") == 3
    where = run(image, "/opt/paddock/bin/python", "-c", "import services; print(services.__file__)")
    assert where.stdout.startswith("/opt/paddock/lib/"), where.stderr


def test_its_cache_is_its_users(image):
    cache = (image.tree.top / "var/cache/paddock").stat()
    assert (cache.st_uid, cache.st_gid, cache.st_mode & 0o777) == (65532, 0, 0o775)
    assert "paddock:x:65532:65532" in (image.tree.top / "etc/passwd").read_text()


async def test_it_relays_to_a_worker_on_transformers_and_both_end_as_they_are_asked_to(image, tmp_path):
    """The worker has this environment's own torch: that is most of what there is to install, and none of it ours."""
    pytest.importorskip("torch")
    worker = Tree(tmp_path / "worker", image.tree)
    (worker.top / "site").mkdir()
    (tmp_path / "conf" / "routing").mkdir(parents=True)
    environment = {**image.environment, "PYTHONPATH": "/site", "OMP_NUM_THREADS": "1"}
    async with serving(worker, environment, "model=paddock-tiny", uid=UIDS[1], binds={SITE: "/site"}) as far:
        address = await far.ready()
        (tmp_path / "conf" / "routing" / "mine.yaml").write_text(ROUTING.replace("ADDRESS", address))
        arguments = ["--config-dir", "/etc/paddock", "model=[]", "routing=mine"]
        binds = {tmp_path / "conf": "/etc/paddock"}
        async with serving(image.tree, image.environment, *arguments, binds=binds) as near:
            assert await generate(await near.ready(), model="paddock-tiny") == "main"
            for process in (near, far):
                process.signal(signal.SIGTERM)
                assert await process.end() == 0
                assert "Traceback" not in process.stderr
