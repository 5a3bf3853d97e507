"""checkov finds nothing that isn't explained here, and everything explained here is there to be found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import SETS, distinct, tool

EXPLAINED = {
    "CKV_K8S_11": "CPU limits throttle a process between two tokens; requests share CPUs out fairly",
    "CKV_K8S_15": "a tag is a release, and digests can be set; pulling at every start needs a registry at every start",
    "CKV_K8S_43": "a digest is that of the images which whoever installs the chart has built; image.*.digest takes it",
}
"""By check: why every object that it is about may fail it."""

EXPLAINED_OF = {
    ("CKV_K8S_8", "Pod"): "pods of `helm test` end by themselves",
    ("CKV_K8S_9", "Pod"): "pods of `helm test` end by themselves",
    ("CKV_K8S_35", "Pod"): "the command line takes its key from an environment variable, and reads no file",
    ("CKV_K8S_38", "Deployment.serving.paddock-gateway"): "the gateway watches EndpointSlices",
}
"""By check, and the beginning of the object's name."""


def explanation(check, resource):
    """Give the key of what explains a failure, or None."""
    if check in EXPLAINED:
        return check
    return next((key for key in EXPLAINED_OF if key[0] == check and resource.startswith(key[1])), None)


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """What checkov finds in all that is rendered, each object once: pairs of check and object."""
    path = tmp_path_factory.mktemp("rendered") / "all.yaml"
    path.write_text(
        "---\n".join(yaml.dump(found, Dumper=yaml.CSafeDumper) for found in distinct(*SETS)), encoding="utf-8"
    )
    done = tool("python", str(Path(__file__).parent / "policy.py"), str(path))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["passed"] > 1000
    assert said["errors"] == []
    return set(map(tuple, said["failed"]))


def test_no_failure_is_unexplained(failures):
    assert [failure for failure in sorted(failures) if explanation(*failure) is None] == []


def test_no_explanation_is_left_over(failures):
    assert {explanation(*failure) for failure in failures} == {*EXPLAINED, *EXPLAINED_OF}
