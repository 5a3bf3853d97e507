"""docs/deploying.md: its values render, its objects are valid, and its commands are commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import lru_cache

import pytest
import yaml

from services.commands.command_line import parse, run
from tests.helm.chart import CHART, ROOT, Chart, loaded, selects, tool

DOC = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
COMMANDS = [
    re.sub(r"^[A-Z_]+=\S+ ", "", line[2:])
    for block in re.findall(r"```console\n(.*?)```", DOC, re.DOTALL)
    for line in block.splitlines()
]
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", DOC, re.DOTALL))
PATIENCE_S = 60


def of(program):
    """Give the commands of a program."""
    return [command for command in COMMANDS if shlex.split(command)[0] == program]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What lies beside the checkout when the commands have been followed so far: files of the doc, and made by it."""
    folder = tmp_path_factory.mktemp("deploying")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "token.txt").write_text("token", encoding="utf-8")
    (folder / "helm").symlink_to(CHART.parent)
    return folder


def test_it_is_all_commands_that_are_known():
    assert {shlex.split(command)[0] for command in COMMANDS} == {
        "docker", "helm", "kubectl", "make", "paddock", "ssh-keygen",
    }  # fmt: skip
    assert len(COMMANDS) > 25
    assert len(FILES) >= 7


@pytest.mark.parametrize("command", of("paddock"))
def test_paddock_knows_its_commands(command, folder, monkeypatch, capsys):
    """And `plan` says what the text does; what it prints goes where the command sends it."""
    monkeypatch.chdir(folder)
    words, _, target = re.sub(" >{1,2} ", " > ", command).partition(" > ")
    args = parse(shlex.split(words)[1:])
    if args.command in ("plan", "key"):
        assert run(shlex.split(words)[1:]) == 0
        said = capsys.readouterr().out
        if "--gpus 4 --weights fp8 --concurrency 64" in words and not target:
            assert "4 x H100-SXM: tensor parallel 4" in said
        if target:
            (folder / target).write_text(said, encoding="utf-8")
    else:
        assert args.command == "generate"


@pytest.mark.parametrize("command", [c for c in of("helm") if c.split()[1] in ("install", "upgrade", "template")])
def test_helm_renders_what_is_installed(command, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    words = [word for word in shlex.split(command)[2:] if word not in ("--wait", "--install")]
    if "plan.yaml" in words:
        planned = next(each for each in of("paddock") if each.endswith("> plan.yaml"))
        assert run(shlex.split(planned.partition(" > ")[0])[1:]) == 0
        (folder / "plan.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    done = tool("helm", "template", *words)
    assert done.returncode == 0, done.stderr
    chart = Chart(done.stdout)
    assert chart.objects
    if "mine.yaml" in words and words[0] == "paddock":
        model = chart.one("Deployment", "paddock-model-llama-3-1-70b-instruct")
        (container,) = model["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 4
        assert container["image"] == "registry.example.com/paddock/paddock-tensorrt-llm:0.1.0"
        (job,) = chart.all("Job")
        assert job["metadata"]["name"].startswith("paddock-build-llama-3-1-70b-instruct-")


def test_a_simulator_understands_its_values(folder):
    done = tool("helm", "template", "paddock", str(CHART), "--values", str(folder / "simulator.yaml"))
    chart = Chart(done.stdout)
    model = loaded(chart, chart.pod("Deployment/paddock-model-simulator")).models["simulator"]
    assert (model.backend.vocab_size, model.backend.time_per_token_s) == (1536, 0.02)


def test_dns_of_the_node_is_reached(folder):
    done = tool("helm", "template", "paddock", str(CHART), "--values", str(folder / "dns.yaml"))
    (rule,) = Chart(done.stdout).one("NetworkPolicy", "paddock-default-deny")["spec"]["egress"]
    assert len(rule["to"]) == 2
    assert {port["port"] for port in rule["ports"]} == {53}


def test_groups_are_kept_near(folder):
    preset = CHART / "presets" / "llama-3-1-405b-bf16-two-nodes.yaml"
    done = tool("helm", "template", "large", str(CHART), "--values", str(preset), "--values", str(folder / "near.yaml"))
    (group,) = Chart(done.stdout).all("LeaderWorkerSet")
    assert "leaderworkerset.sigs.k8s.io/exclusive-topology" in group["metadata"]["annotations"]


def test_what_is_fetched_before_is_what_is_then_waited_for(folder, monkeypatch):
    """By a release that serves nothing, makes no claim, and needs none of the GPUs."""
    monkeypatch.chdir(folder)
    before, after = (Chart(installed(each)) for each in of("helm") if re.search(r"next\.yaml|revision=", each))
    (job,), upgraded = before.all("Job"), after.one("Deployment", "paddock-model-llama-3-1-70b-instruct")
    fill = job["spec"]["template"]["spec"]
    assert before.one("Deployment")["spec"]["replicas"] == 0
    assert not before.all("PersistentVolumeClaim")
    assert "nvidia.com/gpu" not in fill["containers"][0]["resources"]["limits"]
    pod = upgraded["spec"]["template"]["spec"]
    wanted = pod["initContainers"][0]["args"][1]
    assert wanted == f"{fill['containers'][0]['args'][1]}/ready/{fill['containers'][0]['args'][2]}"
    mounted = [[v["persistentVolumeClaim"] for v in spec["volumes"] if v["name"] == "cache"] for spec in (fill, pod)]
    assert mounted[0] == mounted[1] == [{"claimName": after.one("PersistentVolumeClaim")["metadata"]["name"]}]


@pytest.mark.parametrize("name", ["istio.yaml", "ambient.yaml", "linkerd.yaml"])
def test_meshes_have_values(name, folder):
    done = tool("helm", "template", "paddock", str(CHART), "--values", str(folder / name))
    assert done.returncode == 0, done.stderr
    for where, pod in Chart(done.stdout).templates():
        told = {**pod["metadata"].get("annotations", {}), **pod["metadata"]["labels"]}
        proxied = not where.startswith(("Pod/", "Job/")) and name != "ambient.yaml"
        assert any("inject" in key for key in told) == proxied
        assert any(key.lower().endswith(("nativesidecar", "native-sidecar")) for key in told) == proxied


def test_every_file_of_values_is_used_or_is_of_a_mesh():
    used = {word for command in of("helm") for word in shlex.split(command) if word.endswith(".yaml")}
    assert FILES.keys() - used == {"dns.yaml", "near.yaml", "istio.yaml", "ambient.yaml"}
    for text in FILES.values():
        assert isinstance(yaml.safe_load(text), dict)


def test_the_gateway_of_another_release_is_led_where_the_model_is(folder):
    """The name that front.yaml spells out is that of the release before it."""
    command = next(each for each in of("helm") if each.startswith("helm install guard"))
    words = [str(folder / word) if word.startswith("helm/") else word for word in shlex.split(command)[2:]]
    services = Chart(tool("helm", "template", *words).stdout).all("Service")
    route = yaml.safe_load(FILES["front.yaml"])["gateway"]["routes"]["guard"]
    host = route["pools"][0]["dns"].partition(".")[0]
    assert [service["metadata"]["name"] for service in services] == [host]
    assert f"`server_name` the Service's `{host}.serving.svc`" in DOC


@lru_cache(maxsize=32)
def installed(command):
    """Render what a command of Helm's installs; "" where that needs files that aren't there."""
    return tool(
        "helm", "template", *[word for word in shlex.split(command)[2:] if word not in ("--wait", "--install")]
    ).stdout


@pytest.mark.parametrize("command", of("kubectl"))
def test_kubectl_takes_its_commands(command, folder, monkeypatch):
    """What makes objects is tried without a cluster, where there is a kubectl; of all, what they name is there."""
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    named = [word.split("/")[1] for word in words if re.match(r"(service|deployment)/", word)]
    for selector in (words[words.index("--selector") + 1],) if "--selector" in words else ():
        wanted = {"matchLabels": dict(pair.split("=") for pair in selector.split(","))}
        charts = [Chart(installed(each)) for each in of("helm") if "mine.yaml" in each]
        assert any(selects(wanted, pod["metadata"]["labels"]) for chart in charts for _, pod in chart.templates())
        assert any(selects(wanted, job["metadata"]["labels"]) for chart in charts for job in chart.all("Job"))
    for name in named:
        assert any(
            f"name: {name}\n" in installed(each) for each in of("helm") if each.split()[1] in ("install", "upgrade")
        )
    if shutil.which("kubectl") and "create" in words:
        for name in ("id_ed25519", "id_ed25519.pub", "keys.jsonl"):
            (folder / name).write_text("x", encoding="utf-8")
        done = subprocess.run(
            [*words, "--dry-run=client", "--output=yaml"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load(done.stdout)["kind"] in ("Namespace", "Secret")


def test_keys_for_several_nodes_are_made(tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen here")
    (command,) = of("ssh-keygen")
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, timeout=PATIENCE_S)
    made = {path.name for path in tmp_path.iterdir()}
    secret = next(each for each in of("kubectl") if "paddock-ssh" in each)
    assert made == {word.partition("=")[2] for word in shlex.split(secret) if word.startswith("--from-file=")}


def test_images_are_tagged_as_the_chart_asks_for_them(folder):
    done = tool("helm", "template", "paddock", str(CHART), "--set", "image.registry=registry.example.com/paddock")
    for command in of("docker"):
        image = shlex.split(command)[-1]
        assert image.startswith("registry.example.com/paddock/paddock-")
        assert image in done.stdout or "tensorrt-llm" in image
    assert "paddock-transformers:0.1.0-cpu" in done.stdout
