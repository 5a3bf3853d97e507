"""The kernels in C: what PyTorch gives in double precision, and rows that don't depend on each other."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import silu

from backends.transformers import kernels, kernels_build
from backends.transformers.linear import PackedLinear

HERE = (sys.platform, platform.machine()) == ("linux", "x86_64") and shutil.which("cc") is not None
SOURCE = kernels.PATH.with_name("kernels.c")


@pytest.fixture
def native():
    if kernels.load() is None:
        pytest.skip("no kernels for this machine")
    return kernels.load()


@pytest.fixture(autouse=True)
def _inference():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def reloaded():
    """Let a test load what it likes, and forget it."""
    kernels.load.cache_clear()
    yield
    kernels.load.cache_clear()


@pytest.mark.skipif(not HERE, reason="no C compiler for Linux on x86-64")
def test_they_are_there_wherever_they_can_be_compiled(tmp_path):
    strict = [*kernels_build.COMMAND, "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"]
    subprocess.run([*strict, "-o", str(tmp_path / "strict.so"), str(SOURCE)], check=True)
    assert kernels_build.compile_kernels(SOURCE, tmp_path / "made.so") is None
    assert kernels.Kernels(tmp_path / "made.so")
    if torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}:
        assert kernels.load() is not None


def test_what_stands_in_the_way_of_compiling_is_told(tmp_path, monkeypatch):
    broken = tmp_path / "broken.c"
    broken.write_text("int main(")
    if HERE:
        assert "error" in kernels_build.compile_kernels(broken, tmp_path / "none.so")
    monkeypatch.setenv("PATH", str(tmp_path))
    if HERE:
        assert kernels_build.compile_kernels(SOURCE, tmp_path / "none.so") == "there is no C compiler, `cc`"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert kernels_build.compile_kernels(SOURCE, tmp_path / "none.so") == "it is for Linux on x86-64"
    assert not (tmp_path / "none.so").exists()


@pytest.mark.usefixtures("reloaded")
@pytest.mark.parametrize("problem", ["missing", "broken", "old"])
def test_a_machine_without_them_says_why(problem, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "library.so"
    if problem != "missing":
        path.write_text("no library")
    if problem == "old":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    monkeypatch.setattr(kernels, "PATH", path)
    assert kernels.load() is None
    told = {"missing": "no kernels were compiled", "broken": "can't be loaded", "old": "lacks"}
    assert told[problem] in caplog.text


@pytest.mark.parametrize("shape", [(64, 32), (192, 1056), (128, 2560), (256, 128)])
def test_a_product_has_the_bits_that_onednn_gives(native, threads, shape):
    outputs, inputs = shape
    packed = PackedLinear(torch.randn(outputs, inputs))
    assert packed._few_rows is not None
    x, other = torch.randn(kernels.MOST_ROWS + 1, inputs), torch.randn(kernels.MOST_ROWS + 1, outputs)
    whole, added = packed(x), packed.plus(x, other)  # too many rows: oneDNN's
    for rows in (1, 2, 7, kernels.MOST_ROWS):
        assert torch.equal(packed._few_rows(x[:rows]), whole[:rows])
        assert torch.equal(packed._few_rows(x[-rows:], other=other[-rows:]), added[-rows:])


def test_where_onednn_packs_otherwise_it_alone_multiplies(native):
    assert PackedLinear(torch.randn(100, 64))._few_rows is None
    assert PackedLinear(torch.randn(64, 50))._few_rows is None
    assert PackedLinear(torch.randn(64, 64), torch.randn(64))._few_rows is None

    class Wrong(kernels.Kernels):
        def multiply(self, *arguments, **named):
            return super().multiply(*arguments, **named) * 1.000001

    assert PackedLinear(torch.randn(64, 64))._agreeing(Wrong(kernels.PATH)) is None


@pytest.mark.parametrize("rows", [1, 5, 300])
def test_norms_and_gates(native, threads, rows):
    x, mixed = torch.randn(rows, 160) * 3, torch.randn(rows, 2 * 160) * 20
    wide = x.double()
    expected = wide * (wide.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
    assert torch.allclose(native.normalize(x, 1e-5).double(), expected, rtol=1e-6)
    assert torch.equal(native.normalize(x[-1:].clone(), 1e-5), native.normalize(x, 1e-5)[-1:])
    gate, up = mixed.double().split(160, -1)
    assert torch.allclose(native.gate(mixed).double(), silu(gate) * up, rtol=1e-6, atol=1e-30)
    assert torch.equal(native.gate(mixed[-1:].clone()), native.gate(mixed)[-1:])


def test_extremes_stay_what_they_are(native):
    mixed = torch.tensor([0.0, 100.0, -100.0, 3e38, -3e38, torch.inf, -torch.inf, torch.nan]).repeat(8)
    gated = native.gate(torch.cat((mixed[:32], torch.ones(32)))[None])[0, :8]
    assert gated[[0, 1, 3]].tolist() == [0.0, 100.0, torch.tensor(3e38).item()]
    assert gated[5] == torch.inf
    assert gated[2].abs() < 1e-30
    assert gated[7].isnan()
    assert native.normalize(torch.full((1, 32), torch.nan), 1e-5).isnan().all()


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("group", [1, 3, 8])
def test_attention(native, threads, group, size):
    kv_heads, capacity = 2, 192
    positions = torch.tensor([0, 1, 62, 63, 64, 127, 130, 191])
    rows = len(positions)
    mixed = torch.randn(rows, kv_heads * (group + 2), size)
    cache = torch.randn(2, rows + 1, kv_heads, capacity, size)
    untouched = cache.clone()
    for row, position in enumerate(positions.tolist()):
        cache[:, row, :, position:] = torch.nan  # to be written, or not to be read
    attended = native.attend(mixed, cache, positions, 0.3)
    query, key, value = mixed.split([kv_heads * group, kv_heads, kv_heads], 1)
    for row, position in enumerate(positions.tolist()):
        assert torch.equal(cache[0, row, :, position], key[row])
        assert torch.equal(cache[1, row, :, position], value[row])
        assert cache[:, row, :, position + 1 :].isnan().all()
        assert torch.equal(cache[:, row, :, :position], untouched[:, row, :, :position])
        keys, values = cache[:, row, :, : position + 1].double()
        scores = query[row].view(kv_heads, group, size).double() @ keys.transpose(1, 2) * 0.3
        expected = (scores.softmax(-1) @ values).view(-1, size)
        assert torch.allclose(attended[row].double(), expected, atol=1e-5)
        alone = native.attend(mixed[row : row + 1], cache[:, row : row + 1].contiguous(), positions[row : row + 1], 0.3)
        assert torch.equal(alone[0], attended[row])
    assert torch.equal(cache[:, rows], untouched[:, rows])


def test_attention_to_what_is_no_number_is_none(native):
    mixed = torch.randn(2, 3, 32)
    mixed[0, 1, 5] = torch.nan
    attended = native.attend(mixed, torch.zeros(2, 2, 1, 64, 32), torch.tensor([3, 3]), 1.0)
    assert attended[0].isnan().all()
    assert attended[1].isfinite().all()
