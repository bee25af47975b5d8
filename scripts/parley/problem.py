"""The one kind of failure that a person is meant to read."""


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
