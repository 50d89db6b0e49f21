"""The files of the page: types, caching, compression, and what a browser is told not to do."""

import gzip
import re

import pytest

CSP = "content-security-policy"


def fetch(server, path="/", **headers):
    return server.get(path, headers=headers)


def named_in(page):
    """What the page at / names: scripts, styles, icon. A page that was not built names nothing."""
    names = re.findall(r'(?:src|href)="(assets/[^"]+)"', page.body.decode())
    if not names:
        pytest.skip("the page was not built into this kiln")
    return ["/" + name for name in names]


def test_the_page_needs_no_token_and_may_not_be_kept_unasked(servers):
    server = servers(tokens=["secret"])
    answer = server.request("GET", "/", headers={"Authorization": ""})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert b"<title>kiln" in answer.body


def test_the_page_allows_nothing_inline_and_nothing_from_elsewhere(server):
    answer = fetch(server)
    policy = dict(item.strip().split(" ", 1) for item in answer.headers[CSP].split(";") if " " in item.strip())
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert policy["script-src"] == "'self'" and policy["style-src"] == "'self'" and policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    text = answer.body.decode()
    assert "<style" not in text and " style=" not in text and not re.search(r"\son[a-z]+=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_it_is_sent_compressed_to_who_takes_that_and_plain_to_others(server):
    plain = fetch(server)
    packed = fetch(server, **{"Accept-Encoding": "br;q=1.0, gzip;q=0.8, *;q=0.1"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] != plain.headers["etag"]
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "br, gzip; q=0.000", "gzipped", "identity"])
def test_who_does_not_take_gzip_gets_none(server, accepted):
    assert "content-encoding" not in fetch(server, **{"Accept-Encoding": accepted}).headers


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "{}, W/\"x\"", "*"])
def test_what_the_browser_has_is_not_sent_again(server, form):
    etag = fetch(server).headers["etag"]
    answer = fetch(server, **{"If-None-Match": form.format(etag)})
    assert answer.status == 304 and answer.body == b""
    assert answer.headers["etag"] == etag and CSP in answer.headers


@pytest.mark.parametrize("form", ['"0123456789abcdef"', "{}x", "", ",,", 'W/'])
def test_what_the_browser_has_is_sent_when_it_is_another(server, form):
    answer = fetch(server, **{"If-None-Match": form.format(fetch(server).headers["etag"])})
    assert answer.status == 200 and answer.body


def test_files_with_their_hash_in_the_name_may_be_kept_for_ever(server):
    for path in named_in(fetch(server)):
        answer = fetch(server, path)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "txt": "text/plain"}[path.rsplit(".")[-1]]
        assert answer.headers["content-type"].split(";")[0] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_each_dojo_has_a_page_that_names_files_which_are_there(server):
    named_in(fetch(server))
    for path, prefix in (("/dojo", ""), ("/dojo/kata-1", "../")):
        page = fetch(server, path)
        assert page.status == 200 and "script-src 'self'" in page.headers[CSP]
        names = re.findall(rf'(?:src|href)="{re.escape(prefix)}(assets/[^"]+)"', page.body.decode())
        assert len(names) > 3 and all(fetch(server, "/" + name).status == 200 for name in names)
    for path in ("/dojo/", "/dojo/a/b", "/dojo/session/"):
        assert fetch(server, path).status == 404


def test_all_that_the_first_page_loads_is_under_300_kb(server):
    packed = {"Accept-Encoding": "gzip"}
    page = fetch(server)
    sizes = {path: len(fetch(server, path, **packed).body) for path in set(named_in(page)) if "licences" not in path}
    assert sum(sizes.values()) + len(fetch(server, **packed).body) < 300_000, sizes


def test_head_says_the_same_without_the_body(server):
    head, whole = server.request("HEAD", "/"), fetch(server)
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == str(len(whole.body))


@pytest.mark.parametrize("path", ["/assets/", "/assets/none.js", "/assets/../../etc/passwd", "/assets/%2e%2e/index.html", "/index.html", "/assets/%00"])
def test_there_is_nothing_beside_the_files(server, path):
    answer = fetch(server, path)
    assert answer.status in (400, 404)
    answer.error()


def test_the_page_takes_no_other_method(server):
    assert server.request("POST", "/", b"x").status == 405
