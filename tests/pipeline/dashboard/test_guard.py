from __future__ import annotations

import pytest
from dashboard_site import Site
from starlette.testclient import TestClient

from pipeline.dashboard.guard import is_loopback
from pipeline.dashboard.server import make_app

LOCAL = "http://127.0.0.1:8377"


@pytest.fixture
def local(site: Site) -> TestClient:
    return TestClient(make_app(site.catalogue(), "127.0.0.1"), base_url=LOCAL, follow_redirects=False)


@pytest.fixture
def remote(site: Site) -> TestClient:
    app = make_app(site.catalogue(), "0.0.0.0", "a-token")
    return TestClient(app, base_url="http://example.org", follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/set/made", "/nowhere"])
def test_nothing_can_be_changed(local: TestClient, method: str, path: str) -> None:
    assert local.request(method, path).status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8377", "", "[::2]"])
def test_a_page_under_another_name_gets_nothing(local: TestClient, host: str) -> None:
    answer = local.get("/", headers={"host": host})
    assert answer.status_code == 421 and "made" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8377", "localhost:1", "LOCALHOST", "[::1]:8377"])
def test_its_own_names_are_known(local: TestClient, host: str) -> None:
    assert local.get("/", headers={"host": host}).status_code == 200


def test_every_answer_says_what_a_browser_may_do(local: TestClient) -> None:
    for path in ("/", "/nowhere", "/style.css", "/set/made/thumb/0.jpg"):
        headers = local.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_without_the_token_nothing_is_told(remote: TestClient) -> None:
    for path in ("/", "/?token=", "/?token=b", "/set/made", "/set/made/thumb/0.jpg", "/style.css"):
        answer = remote.get(path)
        assert answer.status_code == 401 and "made" not in answer.text
    assert remote.get("/", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert remote.get("/", headers={"authorization": "Bearer a-token"}).status_code == 200


def test_the_token_becomes_a_cookie_and_leaves_the_address(remote: TestClient) -> None:
    answer = remote.get("/set/made?token=a-token")
    assert answer.status_code == 303 and answer.headers["location"] == "/set/made"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert remote.get("/set/made").status_code == 200


def test_the_token_leads_to_no_other_host(remote: TestClient) -> None:
    answer = remote.get("http://example.org//evil.example/x?token=a-token")
    assert answer.headers["location"] == "/evil.example/x"
