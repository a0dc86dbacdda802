"""The documentation builds as a site: its links lead somewhere, it loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from .. import processes
from ..processes import ROOT

pytestmark = pytest.mark.timeout(180)

HERE = "http://docs/"
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page links to, what it loads, and which anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in LOADING and LOADING[tag] in values and values.get("rel") != "canonical":
            self.loads.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built of a copy, so that the checkout's own stays as it is."""
    folder = tmp_path_factory.mktemp("checkout")
    clutter = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("docs", "py", "server"):
        shutil.copytree(ROOT / name, folder / name, ignore=clutter)
    shutil.copytree(ROOT / "web" / "examples", folder / "web" / "examples")
    for path in [*ROOT.glob("*.md"), ROOT / "mkdocs.yml"]:
        shutil.copy(path, folder)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = processes.run(command, cwd=folder, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "web" / "docs"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Its pages, by their address."""
    return {
        urljoin(HERE, path.relative_to(site).as_posix().removesuffix("index.html")): Page(
            path.read_text(encoding="utf-8")
        )
        for path in site.rglob("*.html")
        if path.name != "404.html"
    }


def test_its_links_lead_to_what_is_there(site: Path, pages: dict[str, Page]) -> None:
    broken = []
    for address, page in pages.items():
        for link in page.links:
            target = urlsplit(urljoin(address, link))
            if target.netloc != urlsplit(HERE).netloc:
                continue
            found = pages.get(target._replace(fragment="", query="").geturl())
            if found is None:
                if not (site / unquote(target.path.lstrip("/"))).is_file():
                    broken.append(f"{address}: {link}")
            elif target.fragment and unquote(target.fragment) not in found.anchors:
                broken.append(f"{address}: {link}")
    assert broken == []


def test_it_loads_nothing_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    foreign = [
        f"{address}: {load}"
        for address, page in pages.items()
        for load in page.loads
        if urlsplit(urljoin(address, load)).netloc not in (urlsplit(HERE).netloc, "")
    ]
    styles = [
        f"{path.name}: {url}"
        for path in site.rglob("*.css")
        for url in re.findall(r"url\(['\"]?(https?://[^)'\"]+)", path.read_text(encoding="utf-8"))
    ]
    assert foreign + styles == []


def test_the_reference_has_each_public_name(pages: dict[str, Page]) -> None:
    import readystate

    anchors = set().union(*(page.anchors for page in pages.values()))
    missing = {name for name in vars(readystate)["__all__"] if f"readystate.{name}" not in anchors}
    assert missing == set()
