"""Makes the stubs under protos/gen from the .proto files, or with --check says where the committed ones differ.

Run by `make proto` and `make check` in the environment of requirements.txt beside it. Messages get protoc's own .pyi;
service stubs get mypy-protobuf's, which type the asyncio side too.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
COMMITTED = HERE / "gen"
PACKAGES = {
    "paddock": "Paddock's API, generated from protos/paddock by `make proto`. Not to be edited.",
    "paddock/v1": "Version 1 of the API: messages in `*_pb2`, client stubs and servicer bases in `*_pb2_grpc`.",
}


def generate(into: Path) -> None:
    """Writes the whole of the generated tree into a folder."""
    sources = sorted(HERE.glob("paddock/**/*.proto"))
    if not sources:
        sys.exit(f"no .proto files under {HERE / 'paddock'}")
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={HERE}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            f"--plugin=protoc-gen-mypy_grpc={plugin}",
            f"--python_out={into}",
            f"--pyi_out={into}",
            f"--grpc_python_out={into}",
            f"--mypy_grpc_out=quiet:{into}",
            *(str(source) for source in sources),
        ]
    )
    if status:
        sys.exit(status)
    for stub in into.rglob("*_pb2_grpc.py"):
        if "class " not in stub.read_text():  # a file without services still gets an empty stub: leave it out
            stub.unlink()
            stub.with_suffix(".pyi").unlink(missing_ok=True)
    for folder, docstring in PACKAGES.items():
        (into / folder / "__init__.py").write_text(f'"""{docstring}"""\n')
    (into / "paddock" / "py.typed").touch()


def files(root: Path) -> dict[str, str]:
    """Everything generated under a folder, by relative path."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def drift(fresh: Path) -> list[str]:
    """A unified diff from the committed stubs to fresh ones, empty when they agree."""
    committed, generated = files(COMMITTED), files(fresh)
    lines: list[str] = []
    for name in sorted(committed.keys() | generated.keys()):
        before, after = committed.get(name), generated.get(name)
        if before == after:
            continue
        lines += list(
            difflib.unified_diff(
                (before or "").splitlines(),
                (after or "").splitlines(),
                f"protos/gen/{name}" if before is not None else "(not committed)",
                f"freshly made {name}" if after is not None else "(no longer made)",
                n=1,
                lineterm="",
            )
        ) or [f"protos/gen/{name}: committed or made, but not both"]
    return lines


def install(fresh: Path) -> None:
    """Brings protos/gen to the fresh state, touching only what differs: others may be importing from it."""
    committed, generated = files(COMMITTED), files(fresh)
    for name in committed.keys() - generated.keys():
        (COMMITTED / name).unlink()
    for name, text in generated.items():
        if committed.get(name) != text:
            (COMMITTED / name).parent.mkdir(parents=True, exist_ok=True)
            (COMMITTED / name).write_text(text)


def main() -> int:
    """Writes the stubs, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the committed stubs differ")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if not check:
            install(fresh)
            return 0
        difference = drift(fresh)
    if difference:
        print(*difference[:60], sep="\n")
        print("protos/gen is not what protos/paddock makes: run `make proto` and commit the result.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
