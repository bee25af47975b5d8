"""The one kind of failure that a person is meant to read."""

import re

_NETWORK_SIGNS = re.compile(
    r"(?i)could ?n.t resolve|temporary failure (in name )?resol|network is unreachable|"
    r"connection (refused|timed out|reset)|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|unknown host|"
    r"max retries exceeded|failed to fetch|dial tcp|could not transfer|unable to connect"
)
_DISK_SIGNS = re.compile(r"(?i)no space left on device|ENOSPC|not enough (free )?(disk )?space")


class Problem(Exception):
    """Something went wrong that the user can do something about.

    `what` happened, `why`, and the `remedy`, as parts of one or two sentences.
    `detail` holds further lines (the end of a log), shown indented below.
    """

    def __init__(self, what: str, why: str = "", remedy: str = "", detail: str = ""):
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy
        self.detail = detail

    def __str__(self) -> str:
        sentence = self.what + (f": {self.why}" if self.why else "")
        sentence = sentence.rstrip(".") + "."
        if self.remedy:
            sentence += " " + self.remedy.rstrip(".") + "."
        if self.detail:
            lines = (f"    {line}" for line in self.detail.rstrip().splitlines())
            sentence += "\n" + "\n".join(lines)
        return sentence


def explain(output: str, program: str, remedy: str) -> tuple[str, str]:
    """The likely cause of a program's failure and what to do, from what it printed."""
    if _DISK_SIGNS.search(output):
        return "the disk is full", "Free some space (df -h shows where), then run this again"
    if _NETWORK_SIGNS.search(output):
        return (
            "the package registry could not be reached",
            "Check the network connection and proxy settings, then run this again",
        )
    return f"{program} failed", remedy


def explain_end(log: str, end: str, remedy: str) -> tuple[str, str]:
    """The same for a server that ended, from the end of its log."""
    if _DISK_SIGNS.search(log):
        return explain(log, "", "")
    return end, remedy
