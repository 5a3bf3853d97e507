"""What a Containerfile says: enough of the format for the project's own."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "images" / "Containerfile"


@dataclass(frozen=True)
class Instruction:
    """One of a stage's.

    Attributes:
        name: in capitals.
        text: behind the name, with lines joined.
    """

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its text as a list: of JSON, where it is one."""
        return json.loads(self.text) if self.text.startswith("[") else self.text.split()


@dataclass
class Stage:
    """A stage: FROM and what follows.

    Attributes:
        name: behind AS.
        base: a stage's name or an image, not expanded.
        instructions: without FROM.
    """

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> Instruction | None:
        """Give the last instruction of a name."""
        return next((one for one in reversed(self.instructions) if one.name == name), None)


@dataclass
class Containerfile:
    """All of it.

    Attributes:
        arguments: those before the first FROM, with their defaults.
        stages: by name, in order.
    """

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def chain(self, name: str) -> list[Stage]:
        """Give a stage and those that it is made from, the first one first."""
        stage = self.stages[name]
        return [*(self.chain(stage.base) if stage.base in self.stages else []), stage]

    def last(self, name: str, instruction: str) -> Instruction | None:
        """Give what is in force in a stage: its own last instruction of a name, or one that it inherits."""
        return next(filter(None, (stage.last(instruction) for stage in reversed(self.chain(name)))), None)


def read(text: str) -> Containerfile:
    """Read a Containerfile."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in lines.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            base, _, stage_name = rest.split()
            stage = stages[stage_name] = Stage(stage_name, base)
        elif stage is None:
            key, _, value = rest.partition("=")
            arguments[key] = value
        else:
            stage.instructions.append(Instruction(name, rest.strip()))
    return Containerfile(arguments, stages)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put values in the place of variables."""
    return re.sub(r"\$\{(\w+)\}", lambda match: variables.get(match[1], ""), text)


def pairs(text: str) -> dict[str, str]:
    """Read KEY=VALUE ..., as of ENV, ARG and LABEL."""
    return {key: value.strip('"') for key, value in re.findall(r'([\w.]+)=("[^"]*"|\S*)', text)}


def context(root: Path = ROOT) -> Iterator[PurePosixPath]:
    """Give the files of the build context: those that .dockerignore leaves in it, of which the last pattern decides."""
    lines = (root / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    tops = [path for path in root.iterdir() if path.name not in {".git", ".venv"}]
    for top in tops:
        for path in [top] if top.is_file() else top.rglob("*"):
            name = PurePosixPath(path.relative_to(root))
            if path.is_file() and not _ignored(name, patterns):
                yield name


def _ignored(name: PurePosixPath, patterns: list[str]) -> bool:
    parts = [str(one) for one in (name, *name.parents)][:-1]
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        matches = any(fnmatch.fnmatch(part, plain) or _anywhere(part, plain) for part in parts)
        ignored = not pattern.startswith("!") if matches else ignored
    return ignored


def _anywhere(part: str, pattern: str) -> bool:
    return pattern.startswith("**/") and fnmatch.fnmatch(PurePosixPath(part).name, pattern[3:])
