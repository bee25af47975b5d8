"""Prometheus' alert rules speak of metrics that exist."""

import re
from pathlib import Path

import repository
import yaml

RULES = Path("deploy/k8s/components/alerts/rules.yaml")
_METRIC = re.compile(r"\bparley_\w+")


def rules() -> list[dict]:
    groups = yaml.safe_load(repository.text(RULES))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def sources() -> str:
    """The programs' own sources, without their tests."""
    return "".join(
        repository.text(file)
        for file in repository.cpp_files()
        if file.parts[0] in ("libs", "services") and "tests" not in file.parts
    )


def test_alerts_name_metrics_that_exist():
    # Declared by their whole name, in quotation marks.
    known = set(re.findall(r'"(parley_\w+)"', sources()))
    repository.report(
        [
            f"{RULES}: {rule['alert']} speaks of {name}, which no program has"
            for rule in rules()
            for name in _METRIC.findall(rule["expr"])
            if name not in known
        ]
    )


def test_alerts_say_what_is_wrong():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)), "two alerts have one name"
    found = []
    for rule in rules():
        if not _METRIC.search(rule["expr"]):
            found.append(f"{rule['alert']} looks at no metric of ours")
        if rule["labels"]["severity"] not in ("critical", "warning"):
            found.append(f"{rule['alert']} has an unknown severity")
        if not rule["annotations"]["summary"].endswith("."):
            found.append(f"{rule['alert']} has no sentence for a person")
    repository.report(found)
