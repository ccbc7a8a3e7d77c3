"""The dashboard in a real browser: clicked through, by keyboard, on a phone, in the dark, as a file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from built_set import invoke
from dashboard_site import Site, copy_site
from real_browser import PHONE, browser, complaints, missing, served, settled

from pipeline.building import NOTE
from pipeline.existing import locked
from pipeline.health import main

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no browser: {missing()}")
EVERY = (
    "/", "/set/made", "/set/made/samples", "/set/made/sample/0", "/set/made/distributions",
    "/diff?a=made&b=other", "/runs", "/run/good", "/compare?run=good&run=poor",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with served([site.sets], [site.runs]) as found:
        yield found


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as found:
        yield found


def click(driver: Any, words: str) -> None:
    driver.find_element("link text", words).click()


def title(driver: Any) -> str:
    text: str = driver.find_element("tag name", "h1").text
    return text


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def test_a_visitor_clicks_through_everything(driver: Any, address: str) -> None:
    driver.get(address)
    settled(driver)
    assert [chip.text for chip in driver.find_elements("css selector", ".card .chip")] == [
        "✓ valid",
        "✓ valid",
    ]
    click(driver, "made")
    assert title(driver).startswith("made")
    assert "train/page_6.jpg" in driver.find_element("css selector", ".tiles").text
    click(driver, "Distributions")
    settled(driver)
    assert len(driver.find_elements("css selector", ".card .chart")) == 3
    click(driver, "Pages")
    settled(driver)
    driver.find_element("name", "q").send_keys("page_1")
    driver.find_element("xpath", "//button[.='Show']").click()
    until(lambda: "q=page_1" in driver.current_url)
    settled(driver)
    driver.find_element("css selector", ".tile a").click()
    assert title(driver) == "train/page_1.jpg"
    click(driver, "Difference")
    driver.find_element("css selector", "[name=b] option:last-child").click()
    driver.find_element("xpath", "//button[.='Compare']").click()
    until(lambda: "b=other" in driver.current_url)
    assert "targets.shrink_ratio" in driver.find_element("tag name", "main").text
    click(driver, "Runs")
    for box in driver.find_elements("css selector", "[name=run]"):
        box.click()
    driver.find_element("xpath", "//button[.='Compare those chosen']").click()
    until(lambda: "run=poor" in driver.current_url)
    assert title(driver) == "Runs side by side"
    click(driver, "Runs")
    click(driver, "good")
    driver.find_element("css selector", ".tile a").click()
    assert driver.find_elements("css selector", ".box.missed") and driver.find_elements(
        "css selector", ".box.invented"
    )
    assert complaints(driver) == []


def test_maps_are_laid_over_the_page_and_it_is_magnified(driver: Any, address: str) -> None:
    driver.get(f"{address}/set/made/sample/0")
    layer = driver.find_element("css selector", "image[data-shows=prob]")
    assert not layer.is_displayed() and layer.get_attribute("href") is None
    driver.find_element("css selector", "[data-layer=prob]").click()
    assert layer.is_displayed()
    loaded = "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('prob.png')).length"
    until(lambda: driver.execute_script(loaded) == 1)
    hatched = driver.find_element("css selector", "polygon.ignored")
    assert "url(" in driver.execute_script("return getComputedStyle(arguments[0]).fill", hatched)
    canvas = driver.find_element("css selector", ".canvas")
    before = canvas.size["height"]
    driver.find_element("css selector", "[data-zoom='+']").click()
    assert canvas.size["height"] == pytest.approx(2 * before, rel=0.02)
    assert driver.find_element("css selector", "[data-zoomed]").text == "× 2"
    assert complaints(driver) == []


def test_the_keyboard_is_enough(driver: Any, address: str) -> None:
    driver.get(f"{address}/set/made/sample/1")
    press(driver, "t", "2", "+")
    assert not driver.find_element("css selector", "g[data-shows=texts]").is_displayed()
    assert driver.find_element("css selector", "image[data-shows=thresh]").is_displayed()
    assert driver.find_element("css selector", "[data-zoomed]").text == "× 2"
    press(driver, "n")
    until(lambda: driver.current_url.partition("?")[0].endswith("/sample/2"))
    driver.get(f"{address}/set/made/samples")
    press(driver, "/", "page_3", "\ue007")
    until(lambda: "q=page_3" in driver.current_url)
    driver.get(address)
    press(driver, "\ue004")
    focused = driver.switch_to.active_element
    assert focused.text == "Skip to content" and focused.is_displayed()


@pytest.mark.parametrize("path", EVERY)
def test_everything_has_a_name_for_a_screen_reader(driver: Any, address: str, path: str) -> None:
    driver.get(address + path)
    nameless = """
    const words = (e) => (e.getAttribute("aria-label") || e.textContent || e.alt || "").trim();
    const named = (e) => words(e) || e.closest("label");
    return [...document.querySelectorAll("a, button, select, input, svg[role=img]")].filter((e) => !named(e))
      .concat([...document.querySelectorAll("img:not([alt])")]).map((e) => e.outerHTML.slice(0, 120));
    """
    assert driver.execute_script(nameless) == []
    assert len(driver.find_elements("tag name", "h1")) == 1
    assert driver.find_element("tag name", "html").get_attribute("lang") == "en"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_every_page_without_sideways_scrolling(address: str, dark: bool) -> None:
    with browser(PHONE, dark=dark) as phone:
        for path in EVERY:
            phone.get(address + path)
            width = phone.execute_script("return document.documentElement.scrollWidth")
            assert width <= PHONE[0], path
        paper = phone.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 23, 26)" if dark else "rgb(251, 250, 247)")
        assert complaints(phone) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_their_ground(address: str, dark: bool) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.1, success criterion 1.4.3), for every element with words."""
    with browser(dark=dark) as found:
        for path in EVERY:
            found.get(address + path)
            assert found.execute_script(CONTRAST) == [], path


CONTRAST = """
const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const linear = (v) => v / 255 <= .04045 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const color = parse(getComputedStyle(e).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const worded = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
const ratio = (e) => {
  const both = [light(parse(getComputedStyle(e).color)), light(ground(e))];
  return (Math.max(...both) + .05) / (Math.min(...both) + .05);
};
return [...document.querySelectorAll("main *, header *")]
  .filter((e) => worded(e) && e.getClientRects().length && !e.closest("svg, .hidden, option"))
  .map((e) => [ratio(e), e.outerHTML.slice(0, 90)]).filter(([found]) => found < 4.5);
"""


def test_a_running_build_is_followed(driver: Any, site: Site, tmp_path: Path) -> None:
    copied = copy_site(site, tmp_path)
    note = {"samples": 3, "of_samples": 12, "shards": 1, "of_shards": 4, "seconds": 6.0}
    with served([copied.sets]) as address:
        with locked(copied.made.folder):
            (copied.made.folder / NOTE).write_text(json.dumps(note))
            driver.get(address)
            assert "3 of 12 pages rendered" in driver.find_element("css selector", ".busy-note").text
            (copied.made.folder / NOTE).write_text(json.dumps(note | {"samples": 9}))
            until(lambda: "9 of 12 pages" in driver.find_element("tag name", "main").text)
            bar = driver.find_element("tag name", "progress")
            assert float(bar.get_attribute("value")) == 9
        (copied.made.folder / NOTE).unlink()
        until(lambda: "Building now" not in driver.find_element("tag name", "main").text)
    complaints(driver)


def test_the_file_works_alone(driver: Any, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "health.html"
    invoke(main, site.sets, "--runs", site.runs, "--html", path, "--html-pages", 2)
    driver.get("about:blank")
    complaints(driver)  # what an earlier page said when its server went
    driver.get(path.as_uri())
    assert [heading.text for heading in driver.find_elements("tag name", "h1") if heading.is_displayed()] == [
        "Sets of shards"
    ]
    click(driver, "made")
    shown = [heading.text for heading in driver.find_elements("tag name", "h1") if heading.is_displayed()]
    assert len(shown) == 1 and shown[0].startswith("made")
    place = driver.find_element("css selector", "section[id^='p-set-made-sample-']").get_attribute("id")
    driver.get(f"{path.as_uri()}#{place}")
    section = driver.find_element("id", place)
    section.find_element("css selector", "[data-layer=prob]").click()
    layer = section.find_element("css selector", "image[data-shows=prob]")
    assert layer.is_displayed() and layer.get_attribute("href").startswith("data:image/png")
    assert complaints(driver) == []


def until(holds: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except Exception as error:
            # An element that the page has just replaced.
            if "stale element" not in str(error).lower():
                raise
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
