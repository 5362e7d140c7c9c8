"""Headless Chromium for tests of pages, and what is to be asked of one in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "there is no Chromium with its driver"

# Every text's contrast on the ground that it stands on, and the text.
CONTRASTS = """
const channels = (text) => text.match(/[0-9.]+/g).map(Number);
const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c > 0.04045 ? ((c + 0.055) / 1.055) ** 2.4 : c / 12.92)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
const ground = (e) => {
  const drawn = e.closest('.badge')?.querySelector('circle') ?? e.closest('.node')?.querySelector('rect');
  if (drawn) return getComputedStyle(drawn).fill;
  for (; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (channels(colour)[3] !== 0) return colour;
  }
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const e = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !e.checkVisibility() || ['SCRIPT', 'title'].includes(e.tagName)) continue;
  const style = getComputedStyle(e);
  const [one, other] = [e.closest('svg') ? style.fill : style.color, ground(e)].map(channels).map(light);
  found.push([(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), walker.currentNode.data.trim()]);
}
return found;
"""


LAID_OUT = """
return document.readyState === 'complete' && decodeURI(location.pathname).endsWith(arguments[0])
    && document.body.checkVisibility() && document.body.getBoundingClientRect().height > 0;
"""


class Browser:
    """Chromium with one page open."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.folder = folder

    def open(self, name: str, width: int = 1280, scheme: str = "light", medium: str = "screen") -> None:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": [feature]})
        self.driver.get((self.folder / f"{name}.html").as_uri())
        # On a busy machine it is there before it is laid out.
        WebDriverWait(self.driver, 30).until(lambda _: self.run(LAID_OUT, f"/{name}.html"))

    def run(self, script: str, *arguments: Any) -> Any:
        """What a piece of JavaScript returns; ``all(selector)`` is a list of elements."""
        return self.driver.execute_script(f"const all = (s) => [...document.querySelectorAll(s)];{script}", *arguments)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    @property
    def visible(self) -> list[str]:
        """The findings of the equations that can be seen."""
        return list(self.run("return all('.equation').filter(e => e.checkVisibility()).map(e => e.dataset.finding)"))
