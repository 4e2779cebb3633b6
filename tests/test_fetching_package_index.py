"""Wheels from an index, in both forms of its pages, and how that fails."""

import base64
import json
import sys

import pytest

from kerasopt.fetching import DownloadError, package_index
from kerasopt.fetching.package_index import PipSettings, read_wheel

FILE = "my_toy-1.0-py3-none-any.whl"
HTML = """<!DOCTYPE html><html><head>{base}</head><body>
<a href="../../files/my_toy-0.9.tar.gz">my_toy-0.9.tar.gz</a>
<a data-requires-python="&gt;=3" href="{href}#sha256=00">anything &amp; all</a>
<a name="no target">x</a> </body>"""


def json_page(url):
    files = [{"filename": "x", "url": "x.whl", "hashes": {}}, {"url": url}]
    return json.dumps({"files": files, "meta": {"api-version": "1.1"}}).encode()


@pytest.mark.parametrize("form", ["html", "base", "json", "redirected"])
def test_both_forms_of_an_index(server, form):
    server.put(f"/files/{FILE}", b"wheel")
    page = HTML.format(base="", href=f"../../files/{FILE}").encode()
    kind = "text/html; charset=utf-8"
    if form == "base":
        base = f'<base href="{server.url}/files/">'
        page = HTML.format(base=base, href=FILE.replace("-", "%2D", 1)).encode()
    if form == "json":
        kind = "application/vnd.pypi.simple.v1+json"
        page = json_page(f"../../files/{FILE}")
    server.put("/simple/my-toy/", page, kind=kind)
    index = f"{server.url}/simple/"
    if form == "redirected":
        server.put("/old/my-toy/", b"/simple/my-toy/", code=302)
        index = f"{server.url}/old"
    assert read_wheel(FILE, settings=PipSettings(indexes=(index,))) == b"wheel"
    assert "application/vnd.pypi.simple.v1+json" in server.headers[0]["Accept"]


def test_indexes_and_folders_in_turn(server, tmp_path):
    server.put("/empty/my-toy/", b"<html></html>")
    broken = server.put("/broken", b"{[", kind="application/json")
    index = tmp_path / "simple" / "my-toy"
    index.mkdir(parents=True)
    places = PipSettings(
        indexes=(
            f"{server.url}/none",
            f"{server.url}/empty",
            (tmp_path / "simple").as_uri(),
        ),
        find_links=(broken, str(tmp_path)),
    )
    with pytest.raises(DownloadError) as caught:
        read_wheel(FILE, settings=places)
    for reason in (
        "/none/my-toy/: the server answered 404",
        f"/empty/my-toy/: it has no {FILE}",
        "No such file",
        "/broken: its list of files can't be read",
    ):
        assert reason in str(caught.value)
    (tmp_path / FILE).write_bytes(b"from the folder")
    assert read_wheel(FILE, settings=places) == b"from the folder"
    (index / "index.html").write_text(HTML.format(base="", href=f"../../{FILE}"))
    (tmp_path / FILE).write_bytes(b"by its page")
    assert read_wheel(FILE, settings=places) == b"by its page"


def test_a_password_goes_to_its_server_alone_and_into_no_message(server):
    server.put(f"/files/{FILE}", b"wheel")
    server.put("/simple/my-toy/", json_page(f"/files/{FILE}"), kind="a/json")
    address = server.url.replace("http://", "http://me:s%40cret@")
    places = PipSettings(indexes=(f"{address}/simple",))
    assert read_wheel(FILE, settings=places) == b"wheel"
    expected = "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert [h["Authorization"] for h in server.headers] == [expected] * 2
    other = server.url.replace("127.0.0.1", "localhost")
    server.put("/simple/my-toy/", json_page(f"{other}/files/{FILE}"), kind="a/json")
    read_wheel(FILE, settings=places)
    assert server.headers[-1]["Authorization"] is None
    server.put("/simple/my-toy/", f"{other}/x".encode(), code=302)
    with pytest.raises(DownloadError) as caught:
        read_wheel(FILE, settings=places)
    assert server.headers[-1]["Authorization"] is None
    assert "cret" not in str(caught.value)


def test_settings_are_those_of_pip(monkeypatch, tmp_path):
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "CERT", "NO_INDEX"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a.example/simple\nfind-links = /one\n /two\n"
        "[install]\nextra-index-url = https://b.example/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_CERT", "/certificates.pem")
    found = package_index.pip_settings()
    assert found.indexes == ("https://a.example/simple", "https://b.example/simple")
    assert found.find_links == ("/one", "/two")
    assert found.cert == "/certificates.pem"
    monkeypatch.setenv("PIP_INDEX_URL", "https://c.example/simple")
    assert package_index.pip_settings().indexes[0] == "https://c.example/simple"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert package_index.pip_settings().indexes == ()


def test_without_pip_the_environment_counts(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/python")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example https://b.example")
    found = package_index.pip_settings()
    assert found.indexes == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    "file", ["my_toy.whl", "my_toy-1.0.tar.gz", "../x-1-a-b-c.whl"]
)
def test_other_names_are_refused(file):
    with pytest.raises(DownloadError, match="isn't the name of a wheel"):
        read_wheel(file, settings=PipSettings(indexes=("https://a.example",)))


def test_certificates_that_are_not_there(server):
    places = PipSettings(indexes=(server.url,), cert="/none.pem")
    with pytest.raises(DownloadError, match="No such file"):
        read_wheel(FILE, settings=places)
