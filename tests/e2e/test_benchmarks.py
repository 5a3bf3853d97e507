"""The measurements run, on the tiny shape and against nobody, and the report is made of what they leave."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import serve, server

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def bench(*arguments: str) -> None:
    """Run a measurement to its end."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    trace = str(folder / "trace.json")
    bench("engine", "--quick", "--out", str(folder), "--streams", "2", "--against", "--trace", trace)
    bench("profile", "--quick", "--out", str(folder))
    bench("wire", "--quick", "--out", str(folder))
    bench("overload", "--quick", "--targets", "worker", "--out", str(folder))
    return folder


def test_every_measurement_has_figures(results):
    engine, wire = (json.loads((results / f"{name}.json").read_text()) for name in ("engine-tiny", "wire"))
    size = engine["result"]
    assert [cell["name"] for cell in size["cells"]] == ["1 stream", "2 streams", "long prompts", "mixed", "arrivals"]
    for cell in size["cells"]:
        assert not cell["failures"]
        assert cell["turns"]["paddock"][0]["tokens_per_s"] > 0
        assert 0 < cell["turns"]["paddock"][0]["outside_share"] < 1
    assert size["prefix"]["ratios"]
    assert wire["results"][0]["paddock"][0]["cpu_us_per_token"] > 0
    assert 0 < wire["results"][0]["paddock"][0]["fairness"] <= 1


def test_a_profile_tells_what_of_a_step_its_products_are(results):
    report = json.loads((results / "profile.json").read_text())
    (one,) = report["results"]
    assert sum(one["shares"].values()) == pytest.approx(1, abs=0.2)  # medians
    assert all(share > 0 for share in one["shares"].values())
    assert one["weights"] > 8192 * 64  # more than the vocabulary's
    assert len(one["step_s"]) == len(one["products_s"]) == len(one["sum_s"]) == 2


def test_an_overload_leaves_goodput_and_refusals(results):
    (worker,) = json.loads((results / "overload.json").read_text())["results"]
    (load,) = worker["loads"]
    assert worker["capacity"] > 0
    assert load["good"] <= load["admitted"] <= load["sent"] == sum(c["sent"] for c in load["callers"].values())
    assert set(load["callers"]) == {"heavy", "light 1", "light 2", "light 3"}


def test_the_trace_has_steps_with_the_forward_pass_inside(results):
    events = json.loads((results / "trace.json").read_text())["traceEvents"]
    spans = {name: [e for e in events if e["name"] == name and e["ph"] == "X"] for name in ("step", "model.forward")}
    assert len(spans["step"]) == len(spans["model.forward"]) > 0
    for step, forward in zip(spans["step"], spans["model.forward"], strict=True):
        assert step["ts"] <= forward["ts"]
        assert forward["ts"] + forward["dur"] <= step["ts"] + step["dur"]
    assert len([e for e in events if e["ph"] == "b"]) == 2 * 32  # waiting and decoding, of each request


def test_the_report_is_made_of_the_results(results):
    docs = results / "docs"
    docs.mkdir()
    bench("report", "--results", str(results), "--docs", str(docs))
    page = (docs / "benchmarks.md").read_text()
    assert "## engine-tiny" in page
    assert "| mixed | paddock |" in page
    assert "| streams | products, of the step |" in page
    assert "## wire" in page
    assert "| 2x | heavy |" in page
    assert "not run" in page  # what is asked of a GPU


def test_client_processes_keep_a_server_busy():
    arguments = argparse.Namespace(prompt=8, tokens=8, answers=4, limit=20.0)
    with server.paddock("model=simulator", "models.simulator.backend.time_per_token_s=0.005") as simulator:
        turn = serve._turn("paddock", simulator, 3, arguments)
    assert turn["tokens_per_s"] > 0
    assert turn["ttft_s"]["p50"] > 0
