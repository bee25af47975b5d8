"""What services are told, from what the user set."""

import pytest

from parley.layout import Layout, Ports
from parley.problem import Problem
from parley.settings import Settings, host_and_port

ACCOUNT = {
    "TWILIO_ACCOUNT_SID": "AC" + "3" * 32,
    "TWILIO_AUTH_TOKEN": "4" * 32,
    "TWILIO_PHONE_NUMBER": "+15005550006",
}


@pytest.fixture
def layout(tmp_path):
    made = Layout(data=tmp_path, ports=Ports())
    made.make_folders()
    return made


def test_without_an_account_the_simulator_plays_twilio(layout):
    told = Settings.load(layout, {}).for_services()
    assert told["TWILIO_API_BASE_URL"] == "http://127.0.0.1:8083"
    assert told["TWILIO_ACCOUNT_SID"] == "AC" + "1" * 32
    assert told["PARLEY_OUTBOUND_ALLOW"] == "127.0.0.1:8083"
    assert told["AI_RESPONSES_ENABLED"] == "true"
    assert told["SERVER_URL"] == "http://127.0.0.1:8080"


def test_a_real_account_is_used_and_the_ai_stays_off(layout):
    settings = Settings.load(layout, ACCOUNT)
    told = settings.for_services()
    assert not settings.uses_simulator
    assert told["TWILIO_API_BASE_URL"] == "https://api.twilio.com"
    assert told["TWILIO_AUTH_TOKEN"] == ACCOUNT["TWILIO_AUTH_TOKEN"]
    assert told["AI_RESPONSES_ENABLED"] == "false"
    assert "PARLEY_OUTBOUND_ALLOW" not in told


def test_mock_mode_keeps_a_real_account_out_of_everything(layout):
    settings = Settings.load(layout, {**ACCOUNT, "MOCK_MODE": "true"})
    told = settings.for_services()
    assert settings.uses_simulator
    assert ACCOUNT["TWILIO_AUTH_TOKEN"] not in told.values()
    assert ACCOUNT["TWILIO_ACCOUNT_SID"] not in told.values()


def test_the_environment_comes_before_the_running_settings_before_the_file(layout):
    (layout.data / "settings.env").write_text("# Mine\nAI_PROVIDER=openai\nSERVER_URL='http://a'\n")
    Settings.load(layout, {"SERVER_URL": "http://b"}).remember()
    assert Settings.load(layout, {}).values == {"AI_PROVIDER": "openai", "SERVER_URL": "http://b"}
    assert Settings.load(layout, {"SERVER_URL": "http://c"}).server_url == "http://c"
    Settings.forget(layout)
    assert Settings.load(layout, {}).server_url == "http://a"


def test_settings_of_run_itself_are_not_passed_on(layout):
    environment = {"PARLEY_PORT_EDGE": "1", "PARLEY_LOCAL_DIR": "/x", "HOME": "/h", "AI_X": "1"}
    assert Settings.load(layout, environment).values == {"AI_X": "1"}


def test_a_word_that_is_neither_true_nor_false_is_a_problem(layout):
    with pytest.raises(Problem, match="MOCK_MODE is wrong"):
        _ = Settings.load(layout, {"MOCK_MODE": "maybe"}).uses_simulator


def test_a_line_of_the_file_without_equals_is_named(layout):
    (layout.data / "settings.env").write_text("A=1\nnonsense\n")
    with pytest.raises(Problem, match="line 2 is wrong"):
        Settings.load(layout, {})


def test_a_port_that_is_no_number_is_named():
    with pytest.raises(Problem, match="PARLEY_PORT_EDGE is not a port"):
        Ports.from_environment({"PARLEY_PORT_EDGE": "70000"})


@pytest.mark.parametrize(
    "url, want",
    [
        ("a:9092,b:9092", ("a", 9092)),
        ("redis://h", ("h", 6379)),
        ("postgresql://u:p@h:1/db", ("h", 1)),
    ],
)
def test_host_and_port(url, want):
    assert host_and_port(url, 6379) == want
