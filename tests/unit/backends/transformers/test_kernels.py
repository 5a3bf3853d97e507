"""The kernels in C: what PyTorch gives in double precision, and rows that don't depend on each other."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import sys
import types

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
    command = kernels_build.command(SOURCE, tmp_path / "strict.so")
    subprocess.run([*command, "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"], check=True)
    assert kernels_build.compile_kernels(SOURCE, tmp_path / "made.so") is None
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["made.so", "strict.so"]
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
    assert list(tmp_path.iterdir()) == [broken]


@pytest.mark.parametrize("compiler", [True, False])
def test_a_wheel_has_them_or_is_for_any_machine(tmp_path, monkeypatch, compiler):
    if compiler and not HERE:
        pytest.skip("no C compiler for Linux on x86-64")
    folder = tmp_path / "backends" / "transformers"
    folder.mkdir(parents=True)
    shutil.copy(SOURCE, folder)
    (folder / kernels.PATH.name).write_text("of another machine")
    if not compiler:
        monkeypatch.setenv("PATH", str(tmp_path))
    told = []
    app = types.SimpleNamespace(display_warning=told.append)
    hook = kernels_build.KernelsHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel", app)
    data = {"artifacts": []}
    hook.initialize("standard", data)
    assert (folder / kernels.PATH.name).exists() == compiler
    if compiler:
        assert data["artifacts"] == ["/backends/transformers/libkernels.so"]
        assert data["pure_python"] is False
        assert data["tag"] == "py3-none-linux_x86_64"
    else:
        assert data == {"artifacts": []}
        assert "left out" in told[0]


@pytest.mark.usefixtures("reloaded")
@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("missing", "no kernels were compiled"),
        ("broken", "not used"),
        ("old processor", "lacks what"),
        ("another source", "another kernels.c"),
        ("another OpenMP", "another OpenMP"),
    ],
)
def test_a_machine_without_them_says_why(problem, said, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT" if "old" in problem else "AVX2")
    if problem in {"missing", "broken"}:
        path = tmp_path / "library.so"
        monkeypatch.setattr(kernels, "PATH", path)
        if problem == "broken":
            path.write_text("no library")
    elif not kernels.PATH.exists():
        pytest.skip("no kernels for this machine")
    if problem == "another source":
        monkeypatch.setattr(kernels, "_SOURCE", tmp_path / "kernels.c")
        (tmp_path / "kernels.c").write_text("/* changed since */")
    if problem == "another OpenMP":
        monkeypatch.setattr(kernels, "_shares_openmp", lambda _: False)
    assert kernels.load() is None
    assert said in caplog.text


def test_another_openmp_is_seen(native):
    class Library:
        omp_get_max_threads = ctypes.CFUNCTYPE(ctypes.c_int)(torch.get_num_threads)

    assert kernels._shares_openmp(ctypes.CDLL(str(kernels.PATH)))
    assert not kernels._shares_openmp(Library())


@pytest.mark.parametrize("shape", [(64, 32), (192, 1056), (128, 2560), (256, 128)])
def test_a_product_has_the_bits_that_onednn_gives(native, threads, shape):
    outputs, inputs = shape
    packed = PackedLinear(torch.randn(outputs, inputs))
    assert packed._few_rows is not None
    x, other = torch.randn(native.most_rows + 1, inputs), torch.randn(native.most_rows + 1, outputs)
    whole, added = packed(x), packed.plus(x, other)  # too many rows: oneDNN's
    for rows in (1, 2, 7, native.most_rows):
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
    assert gated[[0, 1, 3, 4]].tolist() == [0.0, 100.0, torch.tensor(3e38).item(), 0.0]
    assert gated[5] == torch.inf
    assert gated[2].abs() < 1e-30
    assert gated[6:].isnan().all()  # as in PyTorch
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
