"""Prometheus' alert rules speak of metrics that exist."""

import re
from pathlib import Path

import repository

RULES = Path("deploy/k8s/components/alerts/rules.yaml")
_METRIC = re.compile(r"\bparley_\w+")


def rules() -> list[dict[str, str]]:
    """Each alert's name and what follows it, a value by its key; every value stands on one line."""
    found = []
    for text in repository.text(RULES).split("- alert: ")[1:]:
        name, rest = text.split("\n", 1)
        found.append(
            {"alert": name, **dict(re.findall(r"\b(expr|severity|summary): (.*)$", rest, re.M))}
        )
    return found


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
        if rule["severity"].rstrip("}") not in ("critical", "warning"):
            found.append(f"{rule['alert']} has an unknown severity")
        if not rule["summary"].endswith("."):
            found.append(f"{rule['alert']} has no sentence for a person")
    repository.report(found)
