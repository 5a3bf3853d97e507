"""Nothing of TensorRT-LLM is used but what is recorded of 1.2.1, and nothing of it is imported before a model loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tensorrt_llm.fake import RECORDED, SUPPLEMENT

ROOT = Path(__file__).parents[4]
CODE = sorted(path for folder in ("backends", "services", "llama") for path in (ROOT / folder).rglob("*.py"))
NAMES = {name: set(entry["names"]) for name, entry in SUPPLEMENT["modules"].items()}
for module, recorded in RECORDED["modules"].items():
    NAMES.setdefault(module, set()).update(recorded)
KEYWORDS = {
    "SamplingParams": RECORDED["SamplingParams"],
    "KvCacheConfig": RECORDED["KvCacheConfig"],
    "CudaGraphConfig": RECORDED["CudaGraphConfig"],
    "GuidedDecodingParams": RECORDED["GuidedDecodingParams"],
    "generate_async": RECORDED["LLM.generate_async"],
    **{name: entry["fields"] for name, entry in SUPPLEMENT.items() if "fields" in entry},
}
LLM = {*RECORDED["LLM.__init__"], *RECORDED["BaseLlmArgs"]}
FLOWS = {"pytorch_flow.py": LLM | {*RECORDED["TorchLlmArgs"]}, "engine_flow.py": LLM | {*RECORDED["TrtLlmArgs"]}}
FLOWS["compile.py"] = FLOWS["engine_flow.py"] | {*SUPPLEMENT["TrtLlmArgs"]["fields"]}
KEYWORDS |= {"BuildConfig": RECORDED["BuildConfig"], "QuantConfig": RECORDED["QuantConfig"]}
METHODS = {*RECORDED["LLM.methods"], "save"}
RESULT = RECORDED["GenerationResult"]
OUTPUT = {*RESULT["properties"], *RESULT["attributes"], *RESULT["methods"]}
COMPLETION = {*RECORDED["CompletionOutput"]["fields"], *RECORDED["CompletionOutput"]["properties"]}
ATTRIBUTES = {"_llm": METHODS, "llm": METHODS, "output": OUTPUT, "completion": COMPLETION}
"""What may follow the names that stand for the vendor's objects in our code."""


def uses(path, source=None):
    """Tell what a file uses of TensorRT-LLM that isn't recorded."""
    tree = ast.parse(source or path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "tensorrt_llm" and a.name not in NAMES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tensorrt_llm":
            known = NAMES.get(node.module, set())
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name not in known)
        elif isinstance(node, ast.Call):
            yield from call(path, node)
        elif isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", None))
            known = NAMES["tensorrt_llm"] if owner == "tensorrt_llm" else ATTRIBUTES.get(owner)
            if known is not None and node.attr not in known:
                yield f"{owner}.{node.attr}"


def call(path, node):
    name = getattr(node.func, "attr", getattr(node.func, "id", None))
    known = FLOWS.get(path.name) if name == "LLM" else KEYWORDS.get(name)
    if known is not None:
        yield from (f"{name}({k.arg}=)" for k in node.keywords if k.arg is not None and k.arg not in known)


@pytest.mark.parametrize("path", [p for p in CODE if p.parent.name == "tensorrt_llm"], ids=lambda path: path.name)
def test_only_recorded_names_are_used(path):
    assert list(uses(path)) == []


@pytest.mark.parametrize(
    "source",
    [
        "from tensorrt_llm import LLM, BuildConfig",
        "import tensorrt_llm.builder",
        "from tensorrt_llm.llmapi import KvCacheConfig\nKvCacheConfig(fraction=1)",
        "LLM(model='x', quant_config=None)",
        "SamplingParams(max_new_tokens=3)",
        "self._llm.generate_async(inputs, timeout=3)",
        "self._llm.health()",
        "ticket.output.cancel()",
        "completion.new_token_ids",
        "tensorrt_llm.version",
    ],
)
def test_the_check_finds_other_names(source):
    assert list(uses(Path("pytorch_flow.py"), source))


def test_only_the_flows_import_it_and_inside_functions():
    importing = {}
    for path in CODE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = [
            (node, name)
            for node in ast.walk(tree)
            for name in (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        ]
        found = [node for node, name in modules if name.split(".")[0] == "tensorrt_llm"]
        if found:
            importing[path.name] = found
            assert not set(found) & set(tree.body), path
    assert sorted(importing) == ["compile.py", "engine_flow.py", "flow.py", "pytorch_flow.py"]


def test_a_gateways_and_a_planners_imports_reach_none_of_it():
    script = (
        "import sys, importlib, pkgutil, services, llama, backends.tensorrt_llm.backend\n"
        "for package in (services, llama):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "from services import config\n"
        "config.load(['model=custom', 'models.custom.name=a', 'models.custom.checkpoint=/b',"
        " 'backend@models.custom.backend=tensorrt_llm'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorrt_llm', 'torch', 'xgrammar'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
