"""Nothing in the repository that belongs to somebody: credentials, phone numbers, machines."""

import re

import repository

# An account or key SID, unless it is visibly made up: one digit, repeated.
_SID = re.compile(r"\b(?:AC|SK)(?!([0-9a-f])\1{31})[0-9a-f]{32}\b")
_PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----")
_TOKENS = re.compile(
    r"\b(?:sk-[A-Za-z0-9]{32,}|ghp_[A-Za-z0-9]{36}|xox[bp]-[A-Za-z0-9-]{20,}|AKIA[0-9A-Z]{16})\b"
)
_AUTH_TOKEN = re.compile(
    r"(?i)auth_?token[\"']?\s*[:=]\s*[\"']?(?!([0-9a-f])\1{31})([0-9a-f]{32})\b"
)

_NUMBER = re.compile(r"(?<![\w.+])\+[1-9]\d{7,14}(?!\d)")
_NUMBER_SUFFIXES = {
    ".cc", ".h", ".ts", ".vue", ".js", ".mjs", ".py", ".json", ".md", ".yaml", ".yml", ".proto",
    ".sql", ".sh", ".html", ".txt", "",
}  # fmt: skip
# Numbers that Twilio's own documentation uses in its examples and test vectors.
_TWILIO_EXAMPLES = {"+14158675309", "+14158675310", "+18005551212", "+14155238886"}
# Ranges that regulators keep for fiction.
_FICTION = re.compile(
    r"""\+1500555\d{4}        # Twilio's magic numbers
    | \+1555\d{7}             # no such area code
    | \+1\d{3}55501\d{2}      # North America: 555-0100 to 555-0199
    | \+(44)7700900\d{3}        # United Kingdom, mobile
    | \+(44)2079460\d{3}        # United Kingdom, London
    | \+(61)491570\d{3}         # Australia, mobile
    | \+(33)63998\d{4}          # France, mobile
    | \+(49)1713920\d{3}        # Germany, mobile
    | \+(49)3023125\d{3}        # Germany, Berlin
    """,
    re.VERBOSE,
)

# The machines that the project was written on, and where their packages came from.
_MACHINE_PATHS = re.compile(
    "|".join(
        ["/" + "work/", "/" + "farm/", "/tmp/" + "bash_jobs", r"\." + "library", "/home/[a-z]"]
    )
)
_REGISTRY_HOSTS = re.compile(
    "|".join(
        [
            r"registry\." + "npmjs",
            r"pypi\." + "org",
            r"files\.python" + "hosted",
            r"repo1?\." + "maven",
            r"deb\." + "debian",
            r"proxy\." + "golang",
        ]
    )
)


def _search(pattern: re.Pattern, what: str, wanted=lambda file: True) -> None:
    found = []
    for file in repository.files():
        if wanted(file):
            for number, line in repository.lines(file):
                if hit := pattern.search(line):
                    found.append(f"{file}:{number}: {what}: {hit.group(0)[:12]}…")
    repository.report(found)


def test_no_account_or_key_sids():
    _search(_SID, "looks like a real SID; write AC and one digit 32 times")


def test_no_private_keys():
    _search(_PRIVATE_KEY, "a private key")


def test_no_tokens():
    _search(_TOKENS, "a token")


def test_no_auth_tokens():
    _search(_AUTH_TOKEN, "looks like a real auth token")


def is_made_up(number: str) -> bool:
    """Whether a number can belong to nobody."""
    if number in _TWILIO_EXAMPLES or _FICTION.fullmatch(number):
        return True
    if number.startswith("+1") and len(number) != 12:
        return True  # North America has exactly ten digits after +1.
    return len(set(number[2:])) == 1  # +9999999999: one digit, repeated.


def test_no_real_phone_numbers():
    found = []
    for file in repository.files():
        if file.suffix not in _NUMBER_SUFFIXES or repository.is_lock_file(file):
            continue
        for number, line in repository.lines(file):
            for hit in _NUMBER.findall(line):
                if not is_made_up(hit):
                    found.append(f"{file}:{number}: {hit[:6]}…: use +1500555xxxx or +1555xxxxxxx")
    repository.report(found)


def test_the_number_check_knows_real_from_made_up():
    assert is_made_up("+15005550006")
    assert is_made_up("+14158675309")
    assert not is_made_up("+1" + "2065550" + "399")
    assert not is_made_up("+44" + "7911123456")


def test_no_paths_of_a_machine():
    _search(_MACHINE_PATHS, "a path of one machine")


def test_no_registry_hosts():
    _search(_REGISTRY_HOSTS, "a registry's host", lambda file: not repository.is_lock_file(file))


def test_lock_files_name_no_private_registry():
    found = []
    public = "https://registry" + ".npmjs.org/"
    for file in filter(repository.is_lock_file, repository.files()):
        for number, line in repository.lines(file):
            hit = re.search(r'"resolved": "(https?://[^"]+)"', line)
            if hit and not hit.group(1).startswith(public):
                found.append(f"{file}:{number}: {hit.group(1)[:60]}")
    repository.report(found)
