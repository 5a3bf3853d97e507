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
    assert packed.packed is not None
    x, other = torch.randn(native.most_rows + 1, inputs), torch.randn(native.most_rows + 1, outputs)
    whole, added = packed(x), packed.plus(x, other)  # too many rows: oneDNN's
    for rows in (1, 2, 7, native.most_rows):
        assert torch.equal(native.multiply(x[:rows], packed.packed), whole[:rows])
        assert torch.equal(native.multiply(x[-rows:], packed.packed, other[-rows:]), added[-rows:])


def test_where_onednn_packs_otherwise_it_alone_multiplies(native):
    assert PackedLinear(torch.randn(100, 64)).packed is None
    assert PackedLinear(torch.randn(64, 50)).packed is None
    assert PackedLinear(torch.randn(64, 64), torch.randn(64)).packed is None

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
    kv_heads, capacity, layer = 2, 192, 1
    positions = [0, 1, 62, 63, 64, 127, 130, 191]
    rows = len(positions)
    mixed = torch.randn(rows, kv_heads * (group + 2), size)
    blocks = torch.randn(2, 2, rows + 1, kv_heads, capacity, size)
    untouched = blocks.clone()
    cache, former = blocks[layer], untouched[layer]
    for row, position in enumerate(positions):
        cache[:, row, :, position:] = torch.nan  # to be written, or not to be read
    attended = native.attend(mixed, kernels.places_of([(blocks, positions)]), layer, kv_heads, 0.3)
    query, key, value = mixed.split([kv_heads * group, kv_heads, kv_heads], 1)
    for row, position in enumerate(positions):
        assert torch.equal(cache[0, row, :, position], key[row])
        assert torch.equal(cache[1, row, :, position], value[row])
        assert cache[:, row, :, position + 1 :].isnan().all()
        assert torch.equal(cache[:, row, :, :position], former[:, row, :, :position])
        keys, values = cache[:, row, :, : position + 1].double()
        scores = query[row].view(kv_heads, group, size).double() @ keys.transpose(1, 2) * 0.3
        expected = (scores.softmax(-1) @ values).view(-1, size)
        assert torch.allclose(attended[row].double(), expected, atol=1e-5)
        alone = blocks[:, :, row : row + 1].contiguous()
        places = kernels.places_of([(alone, [position])])
        assert torch.equal(native.attend(mixed[row : row + 1], places, layer, kv_heads, 0.3)[0], attended[row])
    assert torch.equal(blocks[0], untouched[0])
    assert torch.equal(cache[:, rows], former[:, rows])


def test_attention_to_what_is_no_number_is_none(native):
    mixed = torch.randn(2, 3, 32)
    mixed[0, 1, 5] = torch.nan
    places = kernels.places_of([(torch.zeros(1, 2, 2, 1, 64, 32), [3, 3])])
    attended = native.attend(mixed, places, 0, 1, 1.0)
    assert attended[0].isnan().all()
    assert attended[1].isfinite().all()


def test_rows_of_several_blocks_find_their_own(native):
    first, second = torch.zeros(1, 2, 2, 1, 64, 32), torch.zeros(1, 2, 1, 1, 96, 32)
    mixed = torch.randn(3, 3, 32)
    native.attend(mixed, kernels.places_of([(first, [5, 7]), (second, [90])]), 0, 1, 1.0)
    assert torch.equal(first[0, :, 0, 0, 5], mixed[0, 1:])
    assert torch.equal(first[0, :, 1, 0, 7], mixed[1, 1:])
    assert torch.equal(second[0, :, 0, 0, 90], mixed[2, 1:])
    assert first.count_nonzero() == second.count_nonzero() * 2 == 4 * 32


@pytest.mark.parametrize("rows", [1, 300])
def test_rotation(native, threads, rows):
    mixed, angles = torch.randn(rows, 5, 32), torch.polar(torch.ones(rows, 1, 16), torch.randn(rows, 1, 16))
    expected = mixed.clone()
    torch.view_as_complex(expected[:, :3].unflatten(-1, (-1, 2))).mul_(angles)
    rotated = mixed.clone()
    native.rotate(rotated, angles, 3)
    assert torch.allclose(rotated, expected, atol=1e-6)
    assert torch.equal(rotated[:, 3:], mixed[:, 3:])
    native.rotate(mixed[-1:], angles[-1:].clone(), 3)
    assert torch.equal(mixed[-1], rotated[-1])
