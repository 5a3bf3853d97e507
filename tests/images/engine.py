"""Does a Containerfile's steps as a container engine does, in a file system of their own over this machine's.

A stage is a folder that an overlay lays over `/`: its commands run there by chroot, in a mount namespace, and what they
write is in the folder. Base images are this machine's system with a Python of its own in /base. Only root may mount.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tests.images.containerfile import ROOT, Containerfile, context, expand, pairs

FETCHED = ROOT / ".venv" / "images"
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "/fetched/build",
    "PIP_NO_INDEX": "1",
    "UV_CACHE_DIR": "/fetched/cache",
    "UV_NO_CACHE": "false",
    "UV_OFFLINE": "1",
}
"""What stands in for a network: `make test` has fetched it."""


def obstacle(folder: Path) -> str:
    """Say what keeps steps from being done here; empty if nothing does."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "layers can be mounted by root on Linux only"
    if missing := [name for name in ("unshare", "setpriv", "chroot") if shutil.which(name) is None]:
        return f"needs the command {missing[0]}, of util-linux and coreutils"
    if Path(sys.base_prefix).stat().st_dev != Path("/").stat().st_dev:
        return "this Python is on another file system than /, which layers over / don't show"
    if not any(FETCHED.glob("build/*.whl")):
        return "needs what `make test` fetches"
    probe = Tree(folder / "probe")
    done = subprocess.run(probe.command({}, ["true"]), capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"an overlay can't be mounted here: {done.stderr.strip()}"


class Tree:
    """A stage's file system.

    Attributes:
        top: what it has that this machine's doesn't.
    """

    def __init__(self, folder: Path, base: Tree | None = None) -> None:
        """Take a folder that isn't there yet, and what it begins as a copy of: layers upon `/` may not be in `/`."""
        for name in ("work", "root"):
            (folder / name).mkdir(parents=True)
        self.top = folder / "top"
        self._folder = folder
        if base is None:
            (self.top / "fetched").mkdir(parents=True)
        else:
            subprocess.run(["cp", "--archive", base.top, self.top], check=True)

    def command(self, environment: Mapping[str, str], command: Sequence[str], cwd: str = "/") -> list[str]:
        """Give the command that runs one as root in it."""
        root = self._folder / "root"
        mounts = [self._overlay("rw"), f"mount --bind {FETCHED} {root}/fetched"]
        inside = ["sh", "-ec", f"cd {cwd} && {shlex.join(command)}"]
        return _enter(root, mounts, [], {"PATH": _SYSTEM, **environment}, inside)

    def frozen(
        self, environment: Mapping[str, str], command: Sequence[str], uid: int, binds: Mapping[Path, str]
    ) -> list[str]:
        """Give the command that runs one in it as a user without any rights, able to write to /tmp alone."""
        root = self._folder / "root"
        mounts = [
            self._overlay("ro"),
            *(f"mount --bind -o ro {there} {root}{here}" for there, here in binds.items()),
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
        ]
        ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        drop = ["setpriv", *ids, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        return _enter(root, mounts, drop, environment, command)

    def _overlay(self, mode: str) -> str:
        layers = f"lowerdir=/,upperdir={self.top},workdir={self._folder / 'work'}"
        return f"mount -t overlay overlay -o {mode},{layers} {self._folder / 'root'}"


def _enter(
    root: Path, mounts: Sequence[str], drop: Sequence[str], environment: Mapping[str, str], command: Sequence[str]
) -> list[str]:
    given = [f"{key}={value}" for key, value in environment.items()]
    inside = shlex.join(["chroot", str(root), *drop, "env", "-i", *given, *command])
    script = "\n".join(
        [*mounts, f"mount --rbind /dev {root}/dev", f"mount --rbind /proc {root}/proc", f"exec {inside}"]
    )
    return ["unshare", "--mount", "sh", "-ec", script]


class Image:
    """A stage that was built.

    Attributes:
        tree: its file system.
        environment: that commands in it have.
        cwd: that they run in.
    """

    def __init__(self, tree: Tree, environment: dict[str, str], cwd: str = "/") -> None:
        self.tree = tree
        self.environment = environment
        self.cwd = cwd


class Engine:
    """Builds stages of a Containerfile, each once."""

    def __init__(self, file: Containerfile, folder: Path) -> None:
        self._file = file
        self._folder = folder
        self._built: dict[str, Image] = {}
        self._machine: Image | None = None
        self._context = list(context())

    def build(self, name: str) -> Image:
        """Build a stage, and those that it needs."""
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def _base(self) -> Image:
        """Stand in for a base image: this machine's system, with an interpreter whose packages are its own."""
        if self._machine is not None:
            return self._machine
        tree = Tree(self._folder / "machine")
        python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        parents = [str(parent) for parent in python.parents]
        pip = next(Path(ROOT / ".venv").glob("lib/python*/site-packages/pip"))
        self._run(tree.command({}, ["chmod", "o+x", *parents]))
        self._run(tree.command({}, [str(python), "-m", "venv", "--without-pip", "/base"]))
        shutil.copytree(pip, next((tree.top / "base" / "lib").glob("python*/site-packages")) / "pip")
        self._machine = Image(tree, {"PATH": f"/base/bin:{_SYSTEM}"})
        return self._machine

    def _build(self, name: str) -> Image:
        stage = self._file.stages[name]
        base = self.build(stage.base) if stage.base in self._file.stages else self._base()
        image = Image(Tree(self._folder / name, base.tree), dict(base.environment), base.cwd)
        arguments = {}
        for one in stage.instructions:
            variables = {**image.environment, **arguments}
            if one.name == "ARG":
                key, _, default = one.text.partition("=")
                arguments[key] = expand(self._file.arguments.get(key, default.strip('"')), variables)
            elif one.name == "ENV":
                image.environment.update(pairs(expand(one.text, variables)))
            elif one.name == "WORKDIR":
                image.cwd = one.text
                (image.tree.top / one.text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif one.name == "COPY":
                self._copy(image, one.words)
            elif one.name == "RUN":
                environment = {**image.environment, **arguments, **_OFFLINE}
                self._run(image.tree.command(environment, ["sh", "-c", one.text], image.cwd))
        return image

    def _copy(self, image: Image, words: list[str]) -> None:
        options = [word for word in words if word.startswith("--")]
        *sources, target = [word for word in words if not word.startswith("--")]
        there = image.tree.top / str(PurePosixPath(image.cwd) / target).lstrip("/")
        if options:
            tree = self.build(options[0].removeprefix("--from=")).tree.top
            shutil.copytree(tree / sources[0].lstrip("/"), there, symlinks=True, dirs_exist_ok=True)
            return
        for source in sources:
            for path in self._context:
                if path.is_relative_to(source):
                    into = there / path.relative_to(source) if (ROOT / source).is_dir() else there / path.name
                    into.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / path, into)

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command[-1][-300:]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
