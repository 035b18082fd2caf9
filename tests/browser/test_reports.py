"""What `nerf eval` and `nerf compare` write, opened from the disk."""

from pathlib import Path

import numpy as np

from scripts.browser import picture, until


def opened_from_the_disk(page, watch, file: Path):
    """Opens a file, and holds that it asked for nothing but files beside it."""
    page.goto(file.as_uri())
    until(
        page,
        lambda: page.evaluate("[...document.images].every(i => i.complete || i.loading == 'lazy')"),
        "the pictures",
    )
    beside = file.parent.as_uri()
    assert all(address.startswith(beside) for address in watch.requests), watch.requests


def column(page, head: str) -> list[str]:
    """What the first sortable table says in the column of this head."""
    return page.evaluate(
        """head => {
          const table = [...document.querySelectorAll("table.sortable")].find(
            table => [...table.tHead.rows[0].cells].some(c => c.textContent.trim() == head));
          const at = [...table.tHead.rows[0].cells].findIndex(c => c.textContent.trim() == head);
          return [...table.tBodies[0].rows].map(row => row.cells[at].textContent.trim());
        }""",
        head,
    )


def held_sortable(page, head: str) -> None:
    """Two clicks on a head order its column both ways; nothing is lost."""
    before = column(page, head)
    assert len(before) == 3
    in_order = sorted(before, key=float)
    for expected in (in_order, in_order[::-1]):
        page.locator("table.sortable th button", has_text=head).first.click()
        assert column(page, head) == expected


def test_the_page_of_an_evaluation(page, watch, made):
    opened_from_the_disk(page, watch, made.evaluation)
    assert "marbles" in page.title()
    held_sortable(page, "PSNR, dB")
    page.locator("svg.chart").first.scroll_into_view_if_needed()
    assert np.ptp(picture(page, "svg.chart")) > 100
    # a picture is enlarged and slid
    page.locator("article.view a[data-name]").nth(1).click()
    page.locator("#larger").wait_for()
    until(page, lambda: page.evaluate("document.getElementById('under').naturalWidth") > 0, "it")
    shown = {}
    for at in (0, 100):
        page.locator("#at").fill(str(at))
        shown[at] = picture(page, "#pair")
    assert np.abs(shown[0].astype(float) - shown[100]).mean() > 1, "photograph and rendering"
    page.locator("#close").click()
    page.locator("#larger").wait_for(state="hidden")


def test_the_page_of_a_comparison(page, watch, made):
    opened_from_the_disk(page, watch, made.comparison)
    assert watch.requests == [made.comparison.as_uri()], "one file, its pictures inside"
    shown = page.locator("article.view img")
    assert shown.count() >= 3
    shown.first.scroll_into_view_if_needed()
    until(page, lambda: shown.first.evaluate("image => image.naturalWidth") > 0, "a picture")
