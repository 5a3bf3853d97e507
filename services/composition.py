"""From files and overrides to objects of the schema, by Hydra; every mistake in them as one sentence."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

import backends
from services.errors import ConfigError


def compose(schema: type[Any], overrides: Sequence[str], config_dir: str | None = None) -> Any:
    """Compose `config.yaml`.

    Args:
        schema: a dataclass, which files name `paddock_schema`.
        overrides: Hydra overrides, such as `server.address=127.0.0.1:0` or `model=simulator`.
        config_dir: a folder searched before the built-in `conf/`, laid out like it.

    Returns:
        An object of the schema, where config.yaml names it.

    Raises:
        ConfigError: a file or an override can't be used.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError(f"--config-dir: no folder {config_dir}; give one laid out like conf/")
    _register(schema)
    _OwnFolder.path = None if config_dir is None else f"file://{Path(config_dir).resolve()}"
    try:
        with hydra.initialize_config_module(config_module="conf", version_base="1.3"):
            config = OmegaConf.to_object(hydra.compose("config", overrides=list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_sentence(error)) from error
    except YAMLError as error:
        raise ConfigError(_no_yaml(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config-dir: a file of {config_dir} can't be read: {error}; correct it") from error
    _check_keys("", config)
    return config


class _OwnFolder(SearchPathPlugin):
    """Has a folder searched before the built-in one; Hydra's own setting, `hydra.searchpath`, adds folders behind."""

    path: str | None = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if self.path is not None:
            search_path.prepend("--config-dir", self.path, anchor="main")


def _register(schema: type[Any]) -> None:
    Plugins.instance().register(_OwnFolder)
    store = ConfigStore.instance()
    store.store(name="paddock_schema", node=schema)
    for package in pkgutil.iter_modules(backends.__path__):
        if package.ispkg:
            own = _backend_schema(importlib.import_module(f"backends.{package.name}.config"))
            store.store(group="backend", name=f"{package.name}_schema", node=own)


def _backend_schema(module: Any) -> type[Any]:
    """Find the dataclass of a backend's config module: the one that names its target."""
    for value in vars(module).values():
        if is_dataclass(value) and isinstance(value, type) and any(f.name == "_target_" for f in fields(value)):
            return value
    raise TypeError(f"{module.__name__} has no dataclass with a _target_")


def _check_keys(key: str, value: Any) -> None:
    """Refuse keys that no schema has: Hydra's `+KEY=VALUE` puts them there."""
    if is_dataclass(value):
        known = {entry.name for entry in fields(value)}
        for name, inner in vars(value).items():
            if name not in known:
                raise ConfigError(f"{key}{name}: there is no such key; see docs/configuration.md for the keys")
            _check_keys(f"{key}{name}.", inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_keys(f"{key}{name}.", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_keys(f"{key}{index}.", inner)


def _sentence(error: Exception) -> str:
    """Make one sentence of an error of Hydra's or OmegaConf's, with the key it names."""
    while error.__cause__ is not None and isinstance(error.__cause__, (HydraException, OmegaConfBaseException)):
        error = error.__cause__  # the innermost says what is wrong
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        choices = ", ".join(option for option in error.options if not option.endswith("_schema"))
        return f"{group}: there is no {name!r}; choose from {choices}, or add yours with --config-dir"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}: is missing; set it"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is no override; write it as KEY=VALUE, and a VALUE with brackets or commas in quotes"
        )
    key = getattr(error, "full_key", None)
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip() and "object_type" not in line)
    text = text.split(" full_key:")[0].split(" Use `hydra.errors")[0].rstrip(". ").replace(". ", "; ")
    if ambiguous := re.match("Ambiguous value for argument '([^=]+)=(.*?)' 1;", text):
        return f"{ambiguous[1]}: to give several values write {ambiguous[1]}=[{ambiguous[2]}]; else quote the value"
    prefix = f"{key}: " if key and key not in text else ""
    return f"{prefix}{text}; see docs/configuration.md for the keys"


def _no_yaml(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{mark.name}, line {mark.line + 1}" if mark else getattr(error, "name", "a file")
    what = getattr(error, "problem", None) or getattr(error, "reason", "it is no YAML")
    return f"--config-dir: {where}: {what}; correct the file"
