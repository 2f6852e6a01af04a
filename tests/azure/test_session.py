"""The session: what is tried again, what is told, and where the token never goes."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses

from exporter.errors import ArmError, ErrorKind, NotNowError
from exporter.simulator import Simulator, sized_fleet
from tests.azure.sessions import BASE, LATER, Edge, FiveLineCredential
from tests.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = f"{BASE}/things"


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture(autouse=True)
def arm() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def failure(arm: responses.RequestsMock, edge: Edge, **answer: Any) -> ArmError:
    arm.get(URL, **answer)
    with pytest.raises(ArmError) as caught:
        edge.get(give_up_at=0)
    return caught.value


def test_an_answer_is_decoded_and_counted(arm: responses.RequestsMock, edge: Edge) -> None:
    arm.get(URL, json={"value": []})

    assert edge.get() == {"value": []}
    assert arm.calls[0].request.headers["Authorization"] == "Bearer token-1"
    assert edge.count("api_requests_total", code="200") == 1
    assert edge.count("api_request_duration_seconds_count") == 1


IDS = {
    "x-ms-request-id": "1c90f769-3d8d-442c-a99a-8e8e75e1ad93",
    "x-ms-correlation-request-id": "WESTEUROPE:20260310T120000Z:0c6b",
}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403, "json": {"error": {"code": "AuthorizationFailed", "message": "m"}}},
        {"status": 404, "body": "gone"},
        {"status": 429},
        {"status": 503, "body": "<html>"},
        {"status": 200, "body": "<html>"},
        {"status": 302},
    ],
)
def test_an_error_names_the_request_for_azures_support(
    arm: responses.RequestsMock, edge: Edge, answer: dict[str, Any]
) -> None:
    """Beside its message: one fault of many vaults must read alike."""
    error = failure(arm, edge, headers=IDS, **answer)

    assert list(error.ids) == ["request_id", "correlation_id"]
    assert list(error.ids.values()) == list(IDS.values())
    assert error.for_support == (
        "for Azure's support: request id 1c90f769-3d8d-442c-a99a-8e8e75e1ad93,"
        " correlation id WESTEUROPE:20260310T120000Z:0c6b"
    )
    assert "1c90f769" not in str(error)


def test_an_error_after_which_the_budget_forbids_more_names_the_request(
    arm: responses.RequestsMock, edge: Edge
) -> None:
    def permit() -> None:
        edge.permit()
        if edge.permits > 1:
            raise NotNowError("spent", 0)

    arm.get(URL, status=503, headers=IDS)
    with pytest.raises(ArmError, match="503") as caught:
        edge.session.read("/things", api="test", give_up_at=LATER, attempts=4, permit=permit)
    assert caught.value.ids["request_id"] == IDS["x-ms-request-id"]


def test_an_error_without_an_answer_names_no_request(
    arm: responses.RequestsMock, edge: Edge
) -> None:
    error = failure(arm, edge, body=requests.exceptions.ConnectionError("reset"))

    assert (error.ids, error.for_support) == ({}, "")


def test_a_number_of_any_length_hides_nothing(arm: responses.RequestsMock, edge: Edge) -> None:
    """It is JSON; Python reads no more than 4,300 digits."""
    arm.get(URL, body='{"long": ' + "9" * 5000 + ', "short": -7, "beside": "it"}')

    assert edge.get() == {"long": float("inf"), "short": -7, "beside": "it"}
    assert type(edge.get()["short"]) is int


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "json": {"error": {"code": "RestApiInternalError", "message": "m"}}},
        {"status": 502, "body": "<html>403 - Forbidden</html>", "content_type": "text/html"},
        {"status": 503, "json": {"error": {"code": "ServerTimeout", "message": "m"}}},
        {"status": 504, "json": {"error": {"code": "GatewayTimeout", "message": "m"}}},
        {"status": 500, "body": "<html>Runtime Error</html>", "content_type": "application/json"},
        {"status": 200, "body": "<html>Runtime Error</html>", "content_type": "application/json"},
        {"status": 200, "body": '{"value": [', "content_type": "application/json"},
        {"body": requests.exceptions.ReadTimeout("stalled")},
        {"body": requests.exceptions.ConnectionError("reset")},
    ],
)
def test_what_passes_is_tried_again(
    arm: responses.RequestsMock, edge: Edge, fault: dict[str, Any]
) -> None:
    """After a 5xx the very next request was fine in 41 of 43 recorded cases (FACTS 9)."""
    arm.get(URL, **fault)
    arm.get(URL, json={"fine": True})

    assert edge.get() == {"fine": True}
    assert edge.count("api_retries_total") == 1
    assert edge.permits == 2, "each attempt spends from the read budget"


def test_it_gives_up_after_some_attempts(arm: responses.RequestsMock, edge: Edge) -> None:
    arm.get(URL, status=500, json={"ErrorCode": "Cloud", "Message": {"Value": "Broken.\r\nWait."}})

    with pytest.raises(ArmError, match=r"Azure answered 500 Cloud: Broken\. Wait$") as caught:
        edge.get()

    assert caught.value.kind is ErrorKind.SERVER
    assert len(arm.calls) == 4


def test_it_gives_up_before_the_next_refresh_is_due(
    arm: responses.RequestsMock, edge: Edge
) -> None:
    arm.get(URL, status=500)

    with pytest.raises(ArmError):
        edge.get(give_up_at=time.monotonic())

    assert len(arm.calls) == 1


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://arm.example", "https://ARM.example:443/things"),
        ("https://arm.example:443", "https://arm.example/things"),
    ],
)
def test_the_default_port_is_the_same_server(
    arm: responses.RequestsMock, base: str, url: str
) -> None:
    arm.get(url, json={"fine": True})

    assert Edge(base=base).get(url) == {"fine": True}


@pytest.mark.parametrize("url", ["https://[bad", "https://arm.example:port/", "mailto:x"])
def test_a_next_link_that_is_no_url_is_a_payload_fault(edge: Edge, url: str) -> None:
    with pytest.raises(ArmError) as caught:
        edge.get(url)
    assert caught.value.kind is ErrorKind.PAYLOAD


@pytest.mark.parametrize(
    ("reason", "attempts"),
    [("EOF occurred in violation of protocol", 4), ("[SSL: CERTIFICATE_VERIFY_FAILED] x", 1)],
)
def test_a_reset_within_the_handshake_passes_but_a_bad_certificate_does_not(
    arm: responses.RequestsMock, edge: Edge, reason: str, attempts: int
) -> None:
    arm.get(URL, body=requests.exceptions.SSLError(reason))

    with pytest.raises(ArmError, match="TLS"):
        edge.get()
    assert len(arm.calls) == attempts


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_an_answer_that_drips_ends_in_time(arm: responses.RequestsMock, head: bytes) -> None:
    """A byte now and then resets the read timeout for ever, in the header too."""
    arm.add_passthru("http://127.0.0.1")

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                self.wfile.write(head)
                for _ in range(100):
                    self.wfile.write(b" ")
                    time.sleep(0.1)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        edge = Edge(base=f"http://127.0.0.1:{server.server_port}", timeout=0.5)
        started = time.monotonic()
        with pytest.raises(ArmError, match="did not end in time") as caught:
            edge.get(give_up_at=0)
        assert time.monotonic() - started < 2
    finally:
        server.shutdown()
        server.server_close()
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_no_proxy_sees_a_token_that_stays_on_loopback(
    arm: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm.add_passthru("http://127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Simulator(fleet=sized_fleet(vaults=1, jobs=1)) as azure, pytest.raises(ArmError) as caught:
        Edge(base=azure.url).get("/subscriptions")
    assert caught.value.kind is ErrorKind.UNAUTHORIZED, "the simulator itself has answered"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ErrorKind.PAYLOAD),
        (401, ErrorKind.UNAUTHORIZED),
        (403, ErrorKind.FORBIDDEN),
        (404, ErrorKind.NOT_FOUND),
        (409, ErrorKind.PAYLOAD),
        (429, ErrorKind.THROTTLED),
        (302, ErrorKind.PAYLOAD),
    ],
)
def test_what_does_not_pass_is_told_at_once(
    arm: responses.RequestsMock, edge: Edge, status: int, kind: ErrorKind
) -> None:
    arm.get(URL, status=status, json={"error": {"code": "Code", "message": "Message"}})

    with pytest.raises(ArmError, match=f"Azure answered {status} Code: Message") as caught:
        edge.get()

    assert caught.value.kind is kind
    assert len(arm.calls) == 1
    assert edge.count("api_requests_total", code=str(status)) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (requests.exceptions.ConnectTimeout("x"), ErrorKind.TIMEOUT, "timeout"),
        (requests.exceptions.ReadTimeout("x"), ErrorKind.TIMEOUT, "timeout"),
        (requests.exceptions.ConnectionError("refused"), ErrorKind.NETWORK, "network"),
        (requests.exceptions.SSLError("bad certificate"), ErrorKind.NETWORK, "network"),
    ],
)
def test_no_answer_has_a_reason_too(
    arm: responses.RequestsMock, edge: Edge, fault: Exception, kind: ErrorKind, code: str
) -> None:
    assert failure(arm, edge, body=fault).kind is kind
    assert edge.count("api_requests_total", code=code) == 1


def test_the_token_goes_to_resource_manager_only(edge: Edge) -> None:
    """``nextLink`` comes from the answer; it is followed to the same host and scheme only."""
    for url in (
        "https://evil.example/x",
        "http://arm.example/x",
        "https://arm.example@evil.example",
    ):
        with pytest.raises(ArmError, match="another host") as caught:
            edge.get(url)
        assert caught.value.kind is ErrorKind.PAYLOAD


def test_one_sign_in_serves_many_requests(arm: responses.RequestsMock) -> None:
    credential = FiveLineCredential()
    edge = Edge(credential)
    arm.get(URL, json={})

    for _ in range(3):
        edge.get()

    assert credential.asked == 1


def test_a_token_is_renewed_before_it_expires(arm: responses.RequestsMock) -> None:
    credential = FiveLineCredential(lifetime=200)
    edge = Edge(credential)
    arm.get(URL, json={})

    def signed_with() -> str:
        edge.get()
        return str(arm.calls[-1].request.headers["Authorization"])

    assert signed_with() == "Bearer token-1"
    wait_for("the renewal", lambda: signed_with() != "Bearer token-1")


def test_a_renewal_that_fails_costs_nothing_while_the_old_token_lasts(
    arm: responses.RequestsMock,
) -> None:
    credential = FiveLineCredential(lifetime=200)
    edge = Edge(credential)
    arm.get(URL, json={})
    edge.get()

    credential.failure = RuntimeError("sign-in is down")

    assert [edge.get() for _ in range(3)] == [{}] * 3


def test_a_renewal_that_hangs_costs_nothing_while_the_old_token_lasts(
    arm: responses.RequestsMock,
) -> None:
    credential = FiveLineCredential(lifetime=200)
    edge = Edge(credential, sign_in=30)
    arm.get(URL, json={})
    edge.get()

    with credential.hanging():
        started = time.monotonic()
        answers = [edge.get() for _ in range(3)]
        took = time.monotonic() - started

    assert answers == [{}] * 3
    assert took < 5


def test_a_sign_in_that_hangs_ends_the_read_in_time_and_spends_no_other() -> None:
    credential = FiveLineCredential()
    edge = Edge(credential, sign_in=0.1)

    with credential.hanging():
        for _ in range(2):
            with pytest.raises(ArmError, match="sign-in did not answer within") as caught:
                edge.get()
            assert caught.value.kind is ErrorKind.UNAUTHORIZED

    assert credential.asked == 1
    assert edge.permits == 0


def test_a_token_that_azure_refuses_is_not_used_again(arm: responses.RequestsMock) -> None:
    edge = Edge()
    arm.get(URL, status=401, json={"error": {"code": "ExpiredAuthenticationToken"}})
    arm.get(URL, json={})

    with pytest.raises(ArmError):
        edge.get()
    edge.get()

    assert arm.calls[-1].request.headers["Authorization"] == "Bearer token-2"


def test_without_a_token_nothing_is_sent_and_sign_in_is_not_tried_for_every_vault() -> None:
    """DefaultAzureCredential needs seconds to find out that there is no identity."""
    credential = FiveLineCredential()
    credential.failure = RuntimeError("no identity here\n\nTo mitigate this, see a link.")
    edge = Edge(credential)

    for _ in range(3):
        with pytest.raises(ArmError, match="no token for scope: no identity here") as caught:
            edge.get()
        assert caught.value.kind is ErrorKind.UNAUTHORIZED

    assert credential.asked == 1


def test_a_budget_that_forbids_the_second_attempt_leaves_the_first_ones_fault(
    arm: responses.RequestsMock, edge: Edge
) -> None:
    arm.get(URL, status=503)

    def once() -> None:
        edge.permit()
        if edge.permits > 1:
            raise NotNowError("spent", 5)

    with pytest.raises(ArmError, match="503") as caught:
        edge.session.read("/things", api="test", give_up_at=LATER, permit=once, attempts=4)
    assert caught.value.kind is ErrorKind.SERVER


def test_what_was_never_sent_is_not_counted() -> None:
    credential = FiveLineCredential()
    credential.failure = RuntimeError("no identity")
    edge = Edge(credential)

    with pytest.raises(ArmError):
        edge.get()

    assert edge.count("api_requests_total", code="network") is None


def test_when_the_exporter_stops_nothing_more_is_sent(edge: Edge) -> None:
    edge.stop.set()

    with pytest.raises(NotNowError):
        edge.get()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_certificates_that_is_away_is_told_by_its_variable(
    name: str, arm: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Requests raises a bare OSError: that was a traceback and an empty page."""
    arm.add_passthru(BASE)
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, str(tmp_path / "missing.pem"))

    with pytest.raises(ArmError, match=f"certificates that {name} names cannot be read") as caught:
        Edge().get()

    assert caught.value.kind is ErrorKind.NETWORK
    assert caught.value.retryable


def test_what_a_peer_sends_back_of_our_token_is_masked(arm: responses.RequestsMock) -> None:
    arm.get(URL, json={"name": "Bearer token-1", "more": ["token-1"]})
    arm.get(URL, status=403, json={"error": {"code": "X", "message": "Authorization: token-1"}})
    edge = Edge()

    assert edge.get() == {"name": "Bearer [hidden]", "more": ["[hidden]"]}
    with pytest.raises(ArmError, match=r"403 X: Authorization: \[hidden\]"):
        edge.get()
