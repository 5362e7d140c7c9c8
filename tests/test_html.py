"""The report as a page: complete, self-contained, the same every time, and deaf to what the notes would inject."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from time import perf_counter
from typing import get_args
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.errors import HandgradError
from derive.notes import load_notes
from derive.notes.document import read_document
from derive.page.cards import FINDINGS
from derive.page.graph import layered
from derive.page.html import findings_page, report_page, write_page
from derive.page.mathml import mathml, source
from derive.verify.check import check_notes
from derive.verify.documents import Finding as AnyFinding
from derive.verify.documents import examine

ROOT = Path(__file__).resolve().parent.parent

SLIPS = r"""---
title: Slips
cell: lstm
---
$$ \delta c_t = \delta h_t \odot o_t \odot (1 - \tanh(c_t))^2 + d_{next-c} \tag{1} $$
$$ \delta f_t = \delta c_t \odot c_{t-1} \tag{2} $$
$$ \delta i_t = \delta c_t \odot \frobnicate \tag{3} $$
"""
EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% include 'html/page.css' %}",
    "<!-- ]]> -->",
]


def page_of(text: str, name: str = "notes.md") -> str:
    document = read_document(text)
    return findings_page(examine(document), document, name)


@pytest.fixture(scope="module")
def lstm() -> str:
    return report_page(check_notes(load_notes("lstm")))


@pytest.fixture(scope="module")
def slips() -> str:
    return page_of(SLIPS)


def tree(page: str) -> Element:
    """The page as XML, which a browser's HTML parser reads alike."""
    return ElementTree.fromstring(page)


def having(page: str, name: str) -> list[Element]:
    """The elements of a class, in order."""
    return [element for element in tree(page).iter() if name in element.get("class", "").split()]


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


# -- what is in it --------------------------------------------------------------------------------------------------


def test_every_equation_is_there_in_order(lstm: str) -> None:
    """Broken if an equation is lost, or its verdict is not the terminal's."""
    report = check_notes(load_notes("lstm"))
    shown = having(lstm, "equation")
    assert [words(one.find("h3")) for one in shown] == [v.statement.id for v in report.verdicts]  # type: ignore[arg-type]
    wrong = [one.get("data-finding") == "wrong" for one in shown]
    assert wrong == [v.holds_as_written is False for v in report.verdicts]
    assert "13 hold as transcribed, 15 as read" in lstm
    assert "the derivative of the whole step" in lstm


def test_a_wrong_equation_has_all_that_was_found(slips: str) -> None:
    """Broken if the sentence, the correction, its LaTeX, the numbers or the derivation stay behind."""
    first, second, third = having(slips, "equation")
    text = words(first)
    for part in ("wrong", "should be 1 − tanh²(c_t)", r"\odot (1 - \tanh(c_t)^2) + d_{next-c}", "as written 0.773893"):
        assert part in text
    assert len([e for e in first.iter("math") if e.get("display") == "block"]) >= 3
    marked = [words(element) for element in first.iter() if element.get("class") == "differs"]
    assert marked == ["(1−tanh(ct))2", "(1−tanh(ct)2)"]
    assert "builds on 1, which is wrong" in words(second)
    assert second.get("data-finding") == "holds"
    assert "frobnicate" in words(third)
    assert third.get("data-finding") == "not_understood"


def test_the_derivation_is_there(lstm: str) -> None:
    """Broken if an equation of the cell, or a way on which a gradient comes, is missing."""
    rows = [element for ol in having(lstm, "rows") for element in ol]
    assert len(rows) == 7 + 12
    (cell,) = [row for row in rows if words(row).startswith("∂ct=")]
    assert "from outside of the step dnext-c" in words(cell)
    assert "through ht=ot⊙tanh(ct) dnext-h⊙ot⊙(1−tanh2(ct))" in words(cell)


def test_the_graph_colours_what_is_wrong(slips: str) -> None:
    """Broken if a wrong equation's array or gradients look right, or a right one's wrong."""
    nodes = {element[0].text.split()[0]: element for element in having(slips, "node")}  # type: ignore[union-attr]
    assert len(nodes) == 13 + 2, "the cell's arrays and what comes from outside"
    assert [name for name, node in nodes.items() if "wrong" in node.get("class", "").split()] == ["c_t"]
    assert nodes["c_t"].get("href") == "#equation-1"
    assert nodes["f_t"].get("href") == "#equation-2"
    wrong = {line.get("data-ends") for line in having(slips, "line") if "wrong" in line.get("class", "").split()}
    from_h, from_outside = (f"{nodes['c_t'].get('id')} {nodes[name].get('id')}" for name in ("h_t", "d_next-c"))
    assert wrong - {None} == {from_h, from_outside}


def test_links_lead_somewhere(lstm: str, slips: str) -> None:
    """Broken if an anchor is misspelt, or an id is given twice."""
    for page in (lstm, slips):
        ids = [element.get("id") for element in tree(page).iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        links = {element.get("href", "") for element in tree(page).iter() if element.get("href")}
        about = {name for one in having(page, "equation") for name in one.get("data-about", "").split()}
        labels = {element.get("aria-labelledby") for element in tree(page).iter()} - {None}
        assert {link.removeprefix("#") for link in links} | about | labels <= set(ids)


def test_a_document_with_an_equation_that_nobody_can_draw_has_a_page() -> None:
    assert r'<code class="latex">x = \frobnicate' in page_of("---\ncell: lstm\n---\n$$x = \\frobnicate$$\n")


def test_every_finding_has_its_sign_words_and_colour() -> None:
    """Broken if the checker finds something that the page cannot show."""
    assert set(get_args(AnyFinding)) <= set(FINDINGS)
    style = (ROOT / "templates" / "html" / "page.css").read_text(encoding="utf-8")
    assert all(re.search(rf"\.{name}\b", style) for name in FINDINGS)
    assert len({finding.sign for finding in FINDINGS.values()}) == len(FINDINGS)


def test_an_equation_may_give_an_array_of_the_derivation() -> None:
    """Broken if a symbol of the notes that stands for a cotangent has no place in the graph."""
    settings = "cell: lstm\nsymbols: {q: dc, w: d_next_c}"
    page = page_of(f"---\n{settings}\n---\n$$ q = w $$\n$$ \\frac{{\\partial q}}{{\\partial w}} = 1 $$\n")
    about = [one.get("data-about", "").split() for one in having(page, "equation")]
    (cell,) = [node.get("id") for node in having(page, "node") if node.get("aria-label", "").startswith("c_t ")]
    assert about[0] == [cell]


def test_arrays_that_are_named_like_cotangents_do_no_harm() -> None:
    page_of("$$ \\text{dx}_t = x_t W $$\n$$ h_t = \\text{dx}_t + h_{t-1} U $$\n$$ dW = x_t^T h_t $$\n")


def test_numbers_may_be_given_twice() -> None:
    """Broken if two equations share a place in the page."""
    page = page_of("---\ncell: lstm\n---\n" + "".join(f"$$ db = da \\tag{{{n}}} $$\n" for n in ("1", "1", "1/2")))
    assert len({one.get("id") for one in having(page, "equation")}) == 3


@pytest.mark.parametrize("links", [19 * 20 // 2, 3])
def test_a_graph_that_nobody_could_read_is_not_drawn(links: int) -> None:
    """Broken if a dense graph takes for ever, or a small one is not drawn."""
    names = [f"a{k}" for k in range(20)]
    pairs = [(one, other) for k, other in enumerate(names) for one in names[:k]][:links]
    assert (layered(names, pairs) is None) == (links > 3)


# -- what it is -----------------------------------------------------------------------------------------------------


class _Loads(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.suspicious: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            loads = name in {"src", "srcset", "data", "action", "poster", "background"}
            if loads or name.startswith("on") or name == "style":
                self.suspicious.append((name, value))
            if name.endswith("href") and not str(value).startswith("#"):
                self.suspicious.append((name, value))


def loads(page: str) -> _Loads:
    found = _Loads()
    found.feed(page)
    found.close()
    return found


def test_it_loads_nothing(lstm: str, slips: str) -> None:
    """Broken if the page needs the network, or runs anything but its own script."""
    for page in (lstm, slips):
        found = loads(page)
        assert found.suspicious == []
        assert found.tags.count("script") == found.tags.count("style") == 1
        assert not {"link", "iframe", "object", "embed", "img", "base", "form"} & set(found.tags)
        assert "http:" not in page
        assert "https:" not in page
        assert "@import" not in page
        assert set(re.findall(r"url\((.)", page)) == {"#"}


def test_only_its_own_script_and_style_may_run(lstm: str) -> None:
    """Broken if the policy's digests are not those of what stands in the page."""
    from base64 import b64encode
    from hashlib import sha256

    (policy,) = [m.get("content", "") for m in tree(lstm).iter("meta") if m.get("http-equiv")]
    for name in ("script", "style"):
        (body,) = re.findall(rf"<{name}>(.*?)</{name}>", lstm, re.DOTALL)
        assert f"{name}-src 'sha256-{b64encode(sha256(body.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    """Broken if a time, a duration or the order of a set reaches the page."""
    path, pages = tmp_path / "notes.md", []
    path.write_text(SLIPS, encoding="utf-8")
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.html"
        command = [sys.executable, "-m", "derive", "check", str(path), "--html", str(out)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
        pages.append(out.read_bytes())
    assert pages[0] == pages[1]


# -- hostile notes --------------------------------------------------------------------------------------------------


def harmless(page: str) -> bool:
    """Whether a page has one script, nothing that loads or runs, and only elements that are its own."""
    found = loads(page)
    tree(page)
    return not found.suspicious and found.tags.count("script") == found.tags.count("title") - 15 == 1


@pytest.mark.parametrize("evil", EVIL)
def test_what_the_notes_say_is_text(evil: str) -> None:
    """Broken if a title, a number, a formula or an error message reaches the page unescaped."""
    quoted = evil.replace("'", "''")
    page = page_of(f"---\ntitle: '{quoted}'\ncell: lstm\n---\n$$ dx_t = \\text{{{evil}}} \\tag{{{evil}}} $$\n", evil)
    assert harmless(page)
    assert words(tree(page).find(".//h1")) == evil  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "latex",
    [
        *(rf"\text{{{evil}}}" for evil in EVIL),
        *(rf"\mathrm{{{evil}}}" for evil in EVIL),
        r"\text{&lt;script&gt;alert(1)&lt;/script&gt;}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(//example.org)}{x}",
        r"\class{page}{x}",
        r'\color{red" onload="alert(1)}{x}',
        r"\text{<mi onclick='alert(1)'>x</mi>}",
        r"\text{<mi xmlns='y'>x</mi>}",
    ],
)
def test_no_formula_injects_anything(latex: str) -> None:
    """Broken if latex2mathml's output is trusted: it does not escape texts and sets any attribute that it is asked."""
    page = f"<html>{mathml(latex)}</html>"
    found = loads(page)
    assert found.suspicious == []
    assert set(found.tags) <= {"html", "math", "mrow", "msup", "mi", "mn", "mo", "mtext", "mstyle", "code"}
    assert {e.get("class") for e in tree(page).iter()} <= {None, "latex"}


@pytest.mark.parametrize("latex", [r"\frobnicate{x}", "a % b", r"\frac{1}{2", "x^1^2", "a & b", "", "  ", r"\left( x"])
def test_what_cannot_be_drawn_is_shown_as_it_is(latex: str) -> None:
    """Broken if a formula is drawn with something left out of it."""
    assert mathml(latex) == source(latex)


@given(st.text(alphabet=r"\{}^_&%<>\"' ab1=+text frac", max_size=60))
def test_any_text_has_a_well_formed_place_in_a_page(latex: str) -> None:
    """Broken if some input ends in an error, or in markup that does not close."""
    element = tree(f"<p>{mathml(latex)}</p>")
    assert element[0].tag in {"math", "code"}


@pytest.mark.parametrize(
    "latex",
    [
        "{" * 10**6,
        "{" * 1900 + "}" * 1900,
        r"\sqrt" * 700 + "x",
        r"\frac{1}{" * 300 + "x" + "}" * 300,
        "x^{" * 900 + "2" + "}" * 900,
        r"\begin{matrix}" * 60 + "a" + r"\end{matrix}" * 60,
        "+".join("a" * 2000),
        r"\not" * 900,
    ],
)
def test_endless_formulas_end(latex: str) -> None:
    """Broken if a formula that nobody wrote by hand hangs, exhausts the stack, or makes a page of megabytes."""
    start = perf_counter()
    drawn = mathml(latex)
    tree(drawn)
    assert perf_counter() - start < 5
    assert len(drawn) < 300_000


def test_control_characters_do_not_break_the_page() -> None:
    assert harmless(page_of("---\ncell: lstm\n---\n$$ x = \\text{\x1b[31m\x07\x85\ufffe} $$\n"))


def test_a_mark_that_a_formula_cannot_have_is_left_out() -> None:
    """Broken if a span in the middle of a command spoils the formula around it."""
    latex = r"a = \partial i_{t} + b"
    assert "differs" in mathml(latex, (4, 18))
    for start in range(len(latex)):
        for end in range(start + 1, len(latex)):
            drawn = mathml(latex, (start, end))
            assert drawn == mathml(latex) or words(tree(drawn)) == words(tree(mathml(latex)))


# -- the command ----------------------------------------------------------------------------------------------------


def handgrad(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "derive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, encoding="utf-8", check=False)


@pytest.mark.parametrize(("equation", "code"), [("db = \\sum_n da", 0), ("db = da", 1), ("db = q", 3)])
def test_the_page_changes_no_exit_code(tmp_path: Path, equation: str, code: int) -> None:
    """Broken if --html takes the table, or the verdict, away from whoever runs handgrad in a script."""
    path = tmp_path / "notes.md"
    path.write_text(f"---\ncell: lstm\n---\n$${equation}$$\n", encoding="utf-8")
    result = handgrad("check", str(path), "--html", str(tmp_path / "a.html"))
    assert result.returncode == code
    assert "1 equations: " in result.stdout
    tree((tmp_path / "a.html").read_text(encoding="utf-8"))


def test_verify_writes_its_page(tmp_path: Path, lstm: str) -> None:
    assert handgrad("verify", "--json", "--html", str(tmp_path / "a.html")).returncode == 0
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == lstm
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_where_no_page_can_be_written_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.html"
    result = handgrad("verify", "--html", str(path))
    assert result.returncode == 2
    assert result.stderr == f"handgrad: cannot write {path}: No such file or directory\n"


@pytest.mark.parametrize("place", ["", "/dev/null"])
def test_only_files_are_replaced(tmp_path: Path, place: str) -> None:
    """Broken if a folder or a device is overwritten: root may replace /dev/null."""
    path = tmp_path / place
    with pytest.raises(HandgradError, match="it is not a file"):
        write_page(path, "new")
    assert path.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken if a page is written in place, so that half of one can be left."""
    path = tmp_path / "a.html"
    path.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(HandgradError, match="No space left"):
        write_page(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.html"]
