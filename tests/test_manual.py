"""The manual as it is built: complete, linked, self-contained, and drawn as it should be."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from derive.calculus import vjp
from derive.cells import CELLS
from derive.plan.schedule import schedule
from tests.pages import DOCS, PAGES, ROOT

pytest.importorskip("sphinx", reason="Sphinx is not installed")
pytest.importorskip("selenium", reason="selenium is not installed")

from tests.browser import CONTRASTS, MISSING, Browser


@pytest.fixture(scope="session")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built once for all processes that run tests; a warning is an error."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "manual"
    with (shared / "manual.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "searchindex.js").exists():
            command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            assert (done.returncode, done.stderr) == (0, "")
    return folder


class Page(HTMLParser):
    """What a page has ids for, what it links to, and what a browser would load for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.shapes = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: str(value) for name, value in attrs}
        self.shapes += given.get("class") == "shape" and tag == "span"
        self.ids |= {given["id"]} if "id" in given else set()
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loads += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        if tag == "link" and given.get("rel") not in {"index", "search", "next", "prev"}:
            self.loads.append(given["href"])


@pytest.fixture(scope="session")
def pages(manual: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in manual.rglob("*.html")}


# -- what is in it ----------------------------------------------------------------------------------------------------


def test_every_cell_has_a_page(pages: dict[Path, Page], manual: Path) -> None:
    """Broken if a cell's page, its figure, or one of its equations is missing."""
    for name, cell in CELLS.items():
        page = pages[manual / "cells" / f"{name}.html"]
        due = {f"eq-{equation.name}" for equation in cell.equations} | {f"eq-d{array.name}" for array in cell.inputs}
        assert due <= page.ids, name
        assert len([one for one in page.ids if one.startswith("array-")]) >= len(cell.arrays), name
        assert {f"#eq-{equation.name}" for equation in cell.equations} <= set(page.links), name


def test_every_equation_of_a_plan_is_there(pages: dict[Path, Page], manual: Path) -> None:
    """Broken if a page leaves out an equation of the derivation or of a phase, or has one twice."""
    for name, cell in CELLS.items():
        plan = schedule(cell)
        phases = (plan.hoisted, plan.loop, plan.after, plan.coefficients, plan.recurrence, plan.deferred)
        due = len(vjp(cell).equations) + sum(map(len, phases))
        assert pages[manual / "cells" / f"{name}.html"].shapes == due, name


def test_docstrings_keep_their_lines(manual: Path) -> None:
    """Broken if the equations in a module's docstring are run together, or a class has not got its own signature."""
    text = re.sub(r"<[^>]*>", "", (manual / "reference.html").read_text(encoding="utf-8"))
    assert "\neq 13  dW_h = h_prevᵀ · da\neq 15  db = Σ_n da\n" in text
    assert "batch_first=False" in text


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    """Broken if a link within the manual leads to a page, or a place in a page, that is not there."""
    count = 0
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("https://", "http://")):
                continue
            address, fragment = urldefrag(link)
            target = (path.parent / unquote(address)).resolve() if address else path
            assert target in pages, f"{path.name}: {link}"
            assert not fragment or unquote(fragment) in pages[target].ids, f"{path.name}: {link}"
            count += 1
    assert count > 1000


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page], manual: Path) -> None:
    """Broken if a page asks another machine for a script, a style, a font or an image."""
    for path, page in pages.items():
        for one in page.loads:
            assert one.startswith("data:") or (path.parent / urldefrag(one)[0].partition("?")[0]).is_file(), (path, one)
    for style in manual.rglob("*.css"):
        for one in re.findall(r"url\(([^)]*)\)|@import\s+([^;]+)", style.read_text(encoding="utf-8")):
            assert not re.match(r"[\"']?(?:https?:)?//", "".join(one)), style


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_are_there(page: Path) -> None:
    """Broken if a page speaks of a file of the project that has been moved or taken away."""
    text = page.read_text(encoding="utf-8")
    folders = "benchmarks|derive|docs|examples|generated|templates|tests"
    for name in re.findall(rf"`((?:{folders})/[\w./*-]*)`", text):
        assert [*ROOT.glob(name)], name
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not link.startswith("cells/"):
            assert (page.parent / link).exists(), link


# -- how it looks -----------------------------------------------------------------------------------------------------

SEEN = ["index", "start", "notes", "writing", "modules", "reference", "how", "trust", "measurements", "cells/index"]
SEEN += ["cells/lstm", "cells/mlstm", "cells/lstm_layernorm"]


@pytest.fixture(scope="module")
def browser(manual: Path) -> Iterator[Browser]:
    if MISSING:
        pytest.skip(MISSING)
    browser = Browser(manual)
    yield browser
    browser.driver.quit()


# What reaches beyond the window's edge without a box around it that scrolls; the theme cuts it off.
CUT_OFF = """
const scrolls = (e) => e.tagName !== 'ARTICLE'
  && (['auto', 'scroll'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
return all('article *').filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 0.5)
  .filter((e) => !scrolls(e.parentElement)).map((e) => e.outerHTML.slice(0, 80));
"""


def test_nothing_is_cut_off(browser: Browser) -> None:
    """Broken if anything is wider than a phone and does not scroll in its own box, or a page does not load whole."""
    for width in (400, 1280):
        for name in SEEN:
            browser.open(name, width=width)
            assert browser.driver.get_log("browser") == [], name
            browser.run("all('details').forEach(d => { d.open = true; })")
            assert browser.run("return innerWidth") == width, f"{name}: the phone zoomed out"
            assert browser.run(CUT_OFF) == [], f"{name}, {width} pixels wide"


def test_formulas_and_figures_are_drawn(browser: Browser) -> None:
    """Broken if the browser takes MathML for text, a formula has no room, or a figure is too small to read."""
    for name in ("writing", "cells/lstm", "cells/mlstm"):
        browser.open(name, width=400)
        sizes = browser.run(
            "return all('math').filter(m => m.checkVisibility() && m.textContent != '…')"
            ".map(m => { const b = m.getBoundingClientRect(); return [b.width, b.height]; })"
        )
        assert len(sizes) >= (3 if name == "writing" else 50)
        assert [size for size in sizes if min(size) < 4] == []
        smallest = browser.run(
            "return Math.min(...all('.node .symbol')"
            ".map(t => t.getScreenCTM().a * parseFloat(getComputedStyle(t).fontSize)))"
        )
        assert smallest is None or smallest >= 14, f"{name}: symbols of {smallest} pixels"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_derived_has_enough_contrast(browser: Browser, scheme: str) -> None:
    """Broken if the figure or the equations do not take the theme's colours, or are too pale on its ground."""
    browser.open("cells/lstm", scheme=scheme)
    browser.run("all('details').forEach(d => { d.open = true; }); document.body.replaceChildren(...all('.derivation'))")
    found = browser.run(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one[0] < 4.5] == []
