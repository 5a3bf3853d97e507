"""Run by the Python of the chart's tools: a file of objects in, what checkov finds in it out.

By checkov's runner, as its command imports every other one: that takes twice as long.
"""

from __future__ import annotations

import json
import sys

from checkov.kubernetes.runner import Runner
from checkov.runner_filter import RunnerFilter

report = Runner().run(root_folder=None, files=sys.argv[1:], runner_filter=RunnerFilter(framework=["kubernetes"]))
failed = sorted({(each.check_id, each.resource) for each in report.failed_checks})
json.dump({"passed": len(report.passed_checks), "failed": failed, "errors": report.parsing_errors}, sys.stdout)
