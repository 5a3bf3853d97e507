"""The committed stubs work on every protobuf line that Paddock's dependency range admits, in a process of its own each.

`make test` has put one version of each line beside the environment; nothing is downloaded here.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROUND_TRIP = """
import importlib, pkgutil, sys
from google.protobuf import __version__, descriptor, message_factory
import paddock.v1
from paddock.v1 import inference_pb2

for module in pkgutil.iter_modules(paddock.v1.__path__):
    importlib.import_module(f"paddock.v1.{module.name}")

SCALARS = {
    "string": "caf\\u00e9", "bytes": b"\\x00\\xff", "bool": True, "float": 0.5, "double": 0.5,
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64"), 7),
}
NAMES = {getattr(descriptor.FieldDescriptor, f"TYPE_{name.upper()}"): name for name in SCALARS}


def fill(message, depth=3):
    # every field that can be set gets a value; of a oneof the last one stays
    for field in message.DESCRIPTOR.fields:
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            if not value.message_type:
                getattr(message, field.name)[SCALARS[NAMES[key.type]]] = SCALARS[NAMES[value.type]]
        elif field.message_type:
            if depth:
                child = getattr(message, field.name).add() if many else getattr(message, field.name)
                child.SetInParent() if not many else None
                fill(child, depth - 1)
        else:
            value = field.enum_type.values[-1].number if field.enum_type else SCALARS[NAMES[field.type]]
            getattr(message, field.name).append(value) if many else setattr(message, field.name, value)
    return message


methods = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].methods
for method in methods:
    for kind in (method.input_type, method.output_type):
        make = message_factory.GetMessageClass(kind)
        sent = fill(make())
        data = sent.SerializeToString(deterministic=True)
        assert data or not kind.fields, kind.full_name
        assert make.FromString(data) == sent, kind.full_name
print(__version__, len(methods))
"""


@pytest.mark.parametrize("line", ["5", "6", "7"])
def test_stubs_import_serialise_and_parse(line: str) -> None:
    installed = Path(sys.prefix) / f"protobuf-{line}"
    assert installed.is_dir(), f"{installed} is missing: `make test` prepares it"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ROUND_TRIP],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(installed), str(ROOT / "protos" / "gen")))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    version, methods = done.stdout.split()
    assert version.split(".")[0] == line
    assert int(methods) == 7
