"""Every metric of the services says in its # HELP what it means and what to do about it."""

import re

import repository

WORDS_MIN = 8
_TEXT = r'((?:\s*"(?:[^"\\]|\\.)*")+)'
# In a call of telemetry::Counter and the like, or of a function that makes several of one kind.
_IN_CALL = re.compile(r'\w\(\s*"(parley_\w+)",' + _TEXT)
# As two constants, the text after the name.
_CONSTANTS = re.compile(
    r'constexpr char k\w+\[\] = "(parley_\w+)";\s*(?:static )?constexpr char k\w+\[\] =' + _TEXT
)
_NAME = re.compile(r'"(parley_(?:gateway|webhook_ingest|ai_responder|sender|kafka)_\w+)"')


def declarations(text: str) -> list[tuple[str, str]]:
    """(name, help) of each metric that is declared in a source."""
    return [
        (name, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))
        for pattern in (_IN_CALL, _CONSTANTS)
        for name, literals in pattern.findall(text)
    ]


def fault(text: str) -> str:
    """What is wrong with a help text; "" if nothing is."""
    if not re.match(r"[A-Z0-9].*\.$", text):
        return "is no sentence"
    if len(text.split()) < WORDS_MIN:
        return f"has fewer than {WORDS_MIN} words"
    if not re.search(r"[,;:.] ", text):
        return "has one clause: say also what to do, or what it is when all is well"
    return ""


def sources():
    for file in repository.cpp_files():
        if file.parts[0] in ("libs", "services") and "tests" not in file.parts:
            yield file, repository.text(file)


def test_each_metric_has_a_help_text():
    found = []
    services = set()
    for file, text in sources():
        code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
        declared = {name for name, _ in declarations(code)}
        services |= {file.parts[1] for _ in declared if file.parts[0] == "services"}
        found += [
            f"{file}: no help text is found beside {name}"
            for name in _NAME.findall(code)
            if name not in declared
        ]
    assert services == {"ai-responder", "gateway", "sender", "webhook-ingest"}
    repository.report(found)


def test_each_help_text_says_what_it_means_and_what_to_do():
    repository.report(
        [
            f'{file}: the help of {name} {fault(help_text)}: "{help_text}"'
            for file, text in sources()
            for name, help_text in declarations(text)
            if fault(help_text)
        ]
    )


def test_bad_help_texts_are_found():
    assert fault("") and fault("Sends") and fault("Sends that wait.")
    assert fault("sends that wait; if they grow, look at the database")
    assert fault("Sends that wait for their time or for their number's rate.")
    assert not fault("Sends that wait; if they grow, look at the database first.")
