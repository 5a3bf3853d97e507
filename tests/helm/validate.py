"""Run by the Python of the chart's tools: objects by JSON in, what Kubernetes' schemas say against them out."""

from __future__ import annotations

import functools
import json
import sys

from kubernetes_validate import utils

utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)  # 1,000 readings of 2 MB otherwise

request = json.load(sys.stdin)
for minor in request["minors"]:
    for found in request["objects"]:
        where = f"{minor} {found['kind']} {found.get('metadata', {}).get('name')}"
        try:
            utils.validate(found, minor, strict=True)
        except utils.SchemaNotFoundError:
            sys.stdout.write(f"{where}: unknown kind of {found['apiVersion']}\n")
        except utils.ValidationError as error:
            sys.stdout.write(f"{where}: {'.'.join(map(str, error.path))}: {error.message[:300]}\n")
