"""Tokens, and where kiln refuses to listen without them."""

import pytest

from kilntest.requests import command, shell, text
from kilntest.settings import seconds

TOKEN, OTHER = "a-long-secret-token-of-one-class", "another-secret-token-of-one-more"


@pytest.fixture(scope="module")
def guarded(servers):
    return servers(tokens=[TOKEN, OTHER])


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_a_right_token_is_let_in(guarded, token):
    answer = guarded.request("GET", "/v1/languages", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200
    assert text(guarded.run(shell("echo in"))) == "in\n"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(guarded, scheme):
    assert guarded.request("GET", "/v1/node", headers={"Authorization": f"{scheme} {TOKEN}"}).status == 200


WRONG = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    f"Basic {TOKEN}",
    TOKEN,
    f"Bearer{TOKEN}",
    f"Bearer {TOKEN.upper()}",
    f"Bearer {TOKEN} {OTHER}",
    f"Bearer {TOKEN},{OTHER}",
    f"Token {TOKEN}",
    "Bearer " + "x" * 5000,
    "Bearer tenant0",
]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: value[:24])
def test_a_wrong_token_is_refused(guarded, value):
    answer = guarded.request("GET", "/v1/languages", headers={"Authorization": value})
    assert answer.status == 401, answer
    answer.error()
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/runs"), ("GET", "/v1/languages"), ("GET", "/v1/images"),
     ("POST", "/v1/images"), ("GET", "/v1/images/x"), ("DELETE", "/v1/images/x"), ("GET", "/v1/node"), ("GET", "/metrics")],
)
def test_everything_but_the_probes_needs_a_token(guarded, method, path):
    answer = guarded.request(method, path, b"{}" if method == "POST" else None, {"Authorization": "Bearer no"})
    assert answer.status == 401, answer


@pytest.mark.parametrize("path", ["/alive", "/ready"])
def test_the_probes_are_open(guarded, path):
    assert guarded.request("GET", path, headers={"Authorization": "Bearer no"}).status == 200


def test_without_a_token_no_body_is_read(guarded):
    answer = guarded.request(
        "POST", "/v1/runs", b"x" * 100_000, {"Authorization": "Bearer no", "Content-Type": "application/json"}
    )
    assert answer.status == 401


def test_tokens_are_in_no_log_and_no_answer(guarded):
    for path in ("/v1/node", "/metrics"):
        assert TOKEN.encode() not in guarded.get(path).body
    assert TOKEN not in guarded.log() and OTHER not in guarded.log()


def test_tokens_cannot_be_seen_from_a_run(guarded):
    found = guarded.run(
        shell("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls -R / 2>/dev/null | grep conf; true")
    )
    assert TOKEN not in str(found)


def test_without_tokens_any_header_is_fine(server):
    assert server.request("GET", "/v1/languages", headers={"Authorization": "Bearer whatever"}).status == 200


def ends(server, timeout=10):
    """The exit code of a server that must refuse to start, and what it said."""
    server.spawn()
    return server.wait(timeout), server.log()


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_an_open_address_without_tokens_is_refused(mortal, address):
    server = mortal()
    server.listen = f"{address}:{server.port}"
    code, log = ends(server)
    assert code not in (0, None) and code > 0
    assert "token" in log and "--insecure-no-auth" in log


def test_an_open_address_with_tokens_is_listened_on(mortal):
    server = mortal(tokens=[TOKEN])
    server.listen = f"0.0.0.0:{server.port}"
    server.start()
    assert server.run(command("true"))["outcome"] == "ok"
    server.stop()


def test_an_open_address_is_listened_on_when_told_to(mortal):
    server = mortal(flags=["--insecure-no-auth"])
    server.listen = f"0.0.0.0:{server.port}"
    server.start()
    assert server.run(command("true"))["outcome"] == "ok"
    server.stop()


@pytest.mark.parametrize(
    "listen",
    ["nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:x", ":", "1.2.3.4.5:80", ""],
)
def test_a_wrong_address_is_refused_with_a_sentence(mortal, listen):
    server = mortal()
    server.listen = listen
    code, log = ends(server)
    assert code > 0 and ("is not an address" in log or "must not be empty" in log)
    assert "tokens" not in log and "Assertion" not in log


def test_a_taken_port_is_refused_with_a_sentence(mortal, server):
    second = mortal()
    second.listen = f"127.0.0.1:{server.port}"
    code, log = ends(second)
    assert code > 0 and str(server.port) in log
    assert server.get("/alive", timeout=seconds(2)).status == 200


@pytest.mark.parametrize(
    "text_",
    [
        "nosuchsetting: 1\n",
        "queue: many\n",
        "queue: -1\n",
        "listen: {a: b}\n",
        ": [\n",
        "queue: 1\nqueue: 2\n",
        "ceilings: {nosuch: 1}\n",
        "\t\n",
        "tokens: [{name: a}]\n",
    ],
    ids=repr,
)
def test_a_wrong_configuration_is_refused_with_file_and_key(mortal, text_):
    server = mortal()
    server.config_text = lambda: text_
    code, log = ends(server)
    assert code > 0 and str(server.config) in log


def test_an_unknown_variable_of_kiln_s_is_refused(mortal):
    server = mortal()
    environment = server.home.environment
    server.home.environment = lambda: {**environment(), "KILN_NOSUCH": "1"}
    code, log = ends(server)
    assert code > 0 and "KILN_NOSUCH" in log


def test_a_variable_is_a_setting(mortal):
    server = mortal()
    environment = server.home.environment
    server.home.environment = lambda: {**environment(), "KILN_BODY_BYTES": "4096"}
    server.start()
    assert server.post(shell("true", stdin="x" * 5000)).status == 413
    server.stop()
