"""The page in a browser: headless Chromium shows what a reader sees and does what a reader does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from derive.notes import load_notes
from derive.page.html import report_page
from derive.verify.check import check_notes
from tests.test_html import EVIL, SLIPS, page_of

pytest.importorskip("selenium", reason="selenium is not installed")

from tests.browser import CONTRASTS, MISSING, Browser

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

WIDE = r"""---
title: A_very_long_title_without_any_place_to_break_it_in_two_or_three
cell: lstm
---
$$ \delta c_t = \delta h_t \odot o_t \odot o_t \odot o_t \odot o_t \odot o_t \odot o_t \odot o_t \odot o_t \tag{a-very-long-number-without-spaces} $$
$$ dx_t = \frobnicate_with_a_very_long_name_indeed_that_cannot_be_broken_anywhere_at_all_whatever_one_tries $$
"""  # noqa: E501
OWN = r"""---
title: A GRU
---
$$ r_t = \sigma(x_t W_r + h_{t-1} U_r + b_r) $$
$$ z_t = \sigma(x_t W_z + h_{t-1} U_z + b_z) $$
$$ n_t = \tanh(x_t W_n + r_t \odot (h_{t-1} U_n) + b_n) $$
$$ h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1} $$
$$ \delta z_t = \delta h_t \odot (h_{t-1} + n_t) $$
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    evil = "".join(f"$$ dx_t = \\text{{{one}}} \\tag{{{one}}} $$\n" for one in EVIL)
    pages = {
        "lstm": report_page(check_notes(load_notes("lstm"))),
        "slips": page_of(SLIPS),
        "wide": page_of(WIDE),
        "own": page_of(OWN),
        "evil": page_of(f"---\ntitle: '{EVIL[0]}'\ncell: lstm\n---\n{evil}"),
    }
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    browser = Browser(folder)
    yield browser
    browser.driver.quit()


# -- what is seen ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "slips", "wide", "own", "evil"])
def test_the_page_loads_without_a_complaint(browser: Browser, name: str) -> None:
    """Broken if the script fails, the policy blocks what the page needs, or the notes run something."""
    browser.open(name)
    assert browser.driver.get_log("browser") == []
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.run("return document.querySelector('.filter').checkVisibility()"), "the script ran"


@pytest.mark.parametrize("name", ["lstm", "own"])
def test_formulas_are_drawn(browser: Browser, name: str) -> None:
    """Broken if the browser takes the MathML for text, or gives a formula no room."""
    browser.open(name)
    sizes = browser.run(
        "all('details').forEach(d => { d.open = true; });"
        "return all('math').map(m => { const b = m.getBoundingClientRect(); return [b.width, b.height]; })"
    )
    assert len(sizes) > 30
    assert [size for size in sizes if min(size) < 5] == []
    namespaces = browser.run("return [...new Set(all('math *').map(m => m.namespaceURI))]")
    assert namespaces == ["http://www.w3.org/1998/Math/MathML"]


@pytest.mark.parametrize("name", ["lstm", "slips", "wide", "own", "evil"])
def test_a_phone_does_not_scroll_sideways(browser: Browser, name: str) -> None:
    """Broken if anything is wider than 360 pixels and does not scroll in its own box."""
    browser.open(name, width=360)
    browser.run("all('details').forEach(d => { d.open = true; })")
    assert browser.run("return document.documentElement.scrollWidth") == 360
    assert browser.run("return innerWidth") == 360, "the phone did not zoom out"


def test_a_wide_formula_scrolls_in_its_box(browser: Browser) -> None:
    browser.open("wide", width=360)
    assert browser.run("const b = document.querySelector('.formula'); b.scrollLeft = 50; return b.scrollLeft") == 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["lstm", "slips"])
def test_every_text_has_enough_contrast(browser: Browser, name: str, scheme: str) -> None:
    """Broken if a text has a contrast below 4.5 to 1 on the ground that it stands on, lit up or not."""
    browser.open(name, scheme=scheme)
    dark = browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 29)"
    assert dark == (scheme == "dark")
    for lit in (False, True):
        browser.run(
            "all('details').forEach(d => { d.open = true; });"
            "all('.equation, .node').forEach(e => e.classList.toggle('lit', arguments[0]))",
            lit,
        )
        found = browser.run(CONTRASTS)
        assert len(found) > 100
        assert [one for one in found if one[0] < 4.5] == []


@pytest.mark.parametrize("name", ["lstm", "own"])
def test_the_graph_can_be_read(browser: Browser, name: str) -> None:
    """Broken if nodes overlap, a label is wider than its node, or an edge runs through a node that is not its end."""
    browser.open(name)
    overlapping, wide, crossing = browser.run(
        """
        const nodes = all('.node');
        const box = (e) => e.getBoundingClientRect();
        const rect = (node) => box(node.querySelector('rect'));
        const apart = (a, b) => a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top;
        const pairs = nodes.flatMap((one, k) => nodes.slice(k + 1).map((other) => [one, other]));
        const inside = (p, b) => b.left < p.x && p.x < b.right && b.top < p.y && p.y < b.bottom;
        const through = (line, node) => {
          const length = line.getTotalLength(), matrix = line.getScreenCTM();
          return Array.from({length: 60}, (_, k) => line.getPointAtLength(length * k / 59).matrixTransform(matrix))
            .some((p) => inside(p, rect(node)));
        };
        return [
          pairs.filter(([one, other]) => !apart(rect(one), rect(other))).length,
          nodes.filter((n) => [...n.querySelectorAll('text')].some((t) => box(t).width > rect(n).width)).length,
          all('.line[data-ends]').flatMap((line) => nodes.filter(
            (n) => !line.dataset.ends.split(' ').includes(n.id) && through(line, n))).length,
        ];
        """
    )
    assert (overlapping, wide, crossing) == (0, 0, 0)


def test_on_paper_everything_is_open(browser: Browser) -> None:
    """Broken if a print leaves out the derivations, or takes the dark colours along."""
    browser.open("lstm", scheme="dark", medium="print")
    heights = browser.run("return all('.how, .steps').map(e => e.getBoundingClientRect().height)")
    assert len(heights) > 40
    assert all(heights)
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not browser.run("return all('button').some(e => e.checkVisibility())")


# -- what is done ---------------------------------------------------------------------------------------------------

RIGHT, SPACE, ENTER, HOME = "\ue014", "\ue00d", "\ue007", "\ue011"


def test_the_filter_by_click(browser: Browser) -> None:
    """Broken if a click does not leave the equations of one finding, say so, and take it back."""
    browser.open("slips")
    assert browser.visible == ["wrong", "holds", "not_understood"]
    for finding, says in (("wrong", "wrong"), ("not_understood", "not understood")):
        browser.driver.find_element("css selector", f"button[data-show={finding}]").click()
        assert browser.visible == [finding]
        assert browser.run("return document.querySelector('.shown').textContent") == f"1 of 3 equations shown: {says}"
        pressed = browser.run("return all('[aria-pressed=true]').map(e => e.dataset.show)")
        assert pressed == [finding]
    browser.driver.find_element("css selector", "button[data-show=all]").click()
    assert len(browser.visible) == 3


def test_the_filter_by_keyboard(browser: Browser) -> None:
    """Broken if the filter cannot be reached, walked through and pressed without a mouse, or hides its focus."""
    browser.open("slips")
    browser.run("document.querySelector('.node[href]').focus(); all('.node[href]').at(-1).focus()")
    browser.press("\ue004")
    assert browser.run("return document.activeElement.dataset.show") == "all", "one tab stop after the graph"
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(RIGHT, ENTER)
    assert browser.visible == ["wrong"]
    browser.press(RIGHT, RIGHT, SPACE)
    assert browser.visible == ["holds"]
    browser.press(RIGHT, SPACE)
    assert len(browser.visible) == 3, "from the last to the first"
    browser.press(RIGHT, HOME)
    assert browser.run("return document.activeElement.dataset.show") == "all"


def test_details_open_by_keyboard(browser: Browser) -> None:
    """Broken if the derivation stays hidden from whoever has no mouse."""
    browser.open("lstm")
    for where in (".equation details", ".rows details"):
        body = f"return document.querySelector('{where} dl').checkVisibility()"
        assert not browser.run(body)
        browser.run("document.querySelector(arguments[0]).focus()", f"{where} summary")
        browser.press(ENTER)
        assert browser.run(body)


def test_a_link_to_a_hidden_equation_shows_it(browser: Browser) -> None:
    """Broken if a node of the graph, or “builds on 1”, leads nowhere because the filter is on."""
    browser.open("slips")
    browser.driver.find_element("css selector", "button[data-show=holds]").click()
    browser.driver.find_element("css selector", ".inherits a").click()
    assert len(browser.visible) == 3
    assert browser.run("return document.querySelector(':target').dataset.finding") == "wrong"


def test_what_belongs_together_lights_up(browser: Browser) -> None:
    """Broken if one cannot see which array an equation is about, or which equations an array has."""
    browser.open("slips")
    browser.run("document.querySelector('#equation-2 summary').focus()")
    assert browser.run("return all('.node.lit text.symbol').map(e => e.textContent)") == ["ft"]
    browser.run("document.querySelector('.node.wrong').focus()")
    assert browser.run("return all('.equation.lit').map(e => e.id)") == ["equation-1"]
    assert browser.run("return all('.node.lit').length") == 0


def test_the_correction_can_be_copied(browser: Browser) -> None:
    """Broken if the button does nothing: it copies, or where that is not allowed selects the LaTeX."""
    browser.open("slips")
    grant = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", grant)
    latex = browser.run("return document.querySelector('.copyable code').textContent")
    browser.driver.find_element("css selector", "button.copy").click()
    got = browser.driver.execute_async_script(
        "const [done] = arguments; setTimeout(async () => done(await navigator.clipboard.readText()), 200)"
    )
    assert got == latex
    browser.driver.execute_cdp_cmd("Browser.resetPermissions", {})
