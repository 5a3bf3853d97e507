"""Run by the Python of the chart's tools: Helm 4. Values by JSON in, manifests and notes out, a list of each."""

from __future__ import annotations

import json
import sys

import helm_python as helm

folder, namespace = sys.argv[1:]
rendered, notes = [], []
with helm.Chart.load(folder) as chart:
    for values in json.load(sys.stdin):
        chart.validate_schema(values)
        texts = chart.render(values, name="paddock", namespace=namespace)
        rendered.append("\n---\n".join(text for name, text in texts.items() if name.endswith(".yaml")))
        notes += [text for name, text in texts.items() if name.endswith("NOTES.txt")]
findings = [str(found) for found in helm.lint(folder)["messages"] if "icon is recommended" not in str(found)]
json.dump({"rendered": rendered, "notes": notes, "findings": findings, "version": helm.helm_sdk_version()}, sys.stdout)
