"""The page of a discovery in a real browser, used with the keyboard alone."""

from __future__ import annotations

from msgspec.structs import replace

from tests.browser.chromium import Chromium
from tests.report.test_discovery_page import EVIL, a_page, an_estate

VISIBLE = "[...document.querySelectorAll('#connections tbody tr')].filter(r => !r.hidden)"
SITES = f"{VISIBLE}.map(r => r.cells[5].querySelector('b')?.textContent ?? '')"


def written(tmp_path, result):
    file = tmp_path / "discovery.html"
    file.write_text(a_page(result), encoding="utf-8")
    return file


def test_it_is_searched_filtered_and_sorted_with_the_keyboard(chromium: Chromium, tmp_path):
    """The slash key leads to the search, Tab to the groups and column heads, Enter sorts."""
    with chromium.page(written(tmp_path, an_estate())) as page:
        assert page.value("document.getElementById('controls').hidden") is False
        assert page.value(SITES) == ["site 2", "site 10", "site 9", ""]

        page.press("/", *"SITE 113.10")
        assert page.value(SITES) == ["site 10"]
        assert page.value("document.getElementById('shown').textContent") == "1 of 4 rows"
        page.press("Escape")
        assert len(page.value(SITES)) == 4

        page.press("Tab", "ArrowDown")
        assert page.value(SITES) == ["site 2", "site 10"]
        page.press("ArrowUp")

        page.press(*["Tab"] * 6, "Enter")
        assert page.value("document.activeElement.textContent") == "Connection"
        assert page.value(SITES)[:2] == ["site 2", "site 9"]
        page.press("Enter")
        ordered = "[...document.querySelectorAll('th')].map(h => h.getAttribute('aria-sort'))"
        assert page.value(ordered)[5] == "descending"
        assert page.value(ordered).count(None) == 10


def test_markup_in_a_tag_is_text_and_never_runs(chromium: Chromium, tmp_path):
    """The policy of the page allows the script of the page alone."""
    result = an_estate(name=EVIL)
    with chromium.page(written(tmp_path, result)) as page:
        assert page.value("document.title").startswith("VPN connections")
        assert page.value("window.evil") is None
        assert page.value("document.querySelectorAll('img').length") == 0
        assert EVIL in page.value("document.body.textContent")
        blocked = "const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
        page.value(f"{{ {blocked} document.body.append(s); }}")
        assert page.value("window.evil") is None


def test_a_thousand_connections_are_searched_at_once(chromium: Chromium, tmp_path):
    """The table of a large organization answers in less than a second."""
    result = an_estate()
    many = replace(result, gateways=result.gateways * 250)
    with chromium.page(written(tmp_path, many)) as page:
        spent = page.value(
            "(() => { const began = performance.now();"
            " const search = document.getElementById('search'); search.value = 'site 113.10';"
            " search.dispatchEvent(new Event('input'));"
            " document.querySelectorAll('th button')[5].click();"
            " return performance.now() - began; })()"
        )
        assert len(page.value(SITES)) == 250
    assert spent < 5_000
