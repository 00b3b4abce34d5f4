# SPDX-License-Identifier: Apache-2.0
"""What Chromium makes of a page, at the width of a screen or a phone."""

from __future__ import annotations

import dataclasses
import html
import json
import pathlib
import subprocess

from staffeln.tests.servers import process

PACKAGE = "chromium"
_FOLDERS = [pathlib.Path("/usr/bin")]
_LIMIT = 300
"""Seconds that one page may take, on a busy machine."""

# A frame has the width of a phone; a window of Chromium is never so narrow.
_AROUND = """<!DOCTYPE html><meta charset="utf-8"><body>
<iframe id="page" width="%d" height="2000" srcdoc="%s"></iframe>
<pre id="seen"></pre>
<script>
document.getElementById("page").onload = (event) => {
  const inside = event.target.contentDocument;
  const all = [...inside.body.querySelectorAll("*")];
  const width = inside.documentElement.clientWidth;
  document.getElementById("seen").textContent = JSON.stringify({
    width: width,
    widest: Math.max(...all.map(
      (each) => each.getBoundingClientRect().right)),
    beyond: all.filter(
      (each) => each.scrollWidth > each.clientWidth + 1
        && getComputedStyle(each).display != "inline"
    ).map((each) => each.textContent.trim().slice(0, 80)),
    text: inside.body.innerText,
    tags: [...new Set(all.map((each) => each.tagName))],
    mode: inside.compatMode,
  });
};
</script>
"""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A page as it was laid out."""

    width: int
    """Pixels that it had."""
    widest: float
    """Pixels to the right edge of what reaches farthest."""
    beyond: list[str]
    """Texts that do not fit into their own box."""
    text: str
    """As it is read."""
    tags: list[str]
    mode: str
    """CSS1Compat: it is laid out by the standards."""


def look(page: str, width: int, folder: pathlib.Path) -> Seen:
    """Lay a page out.

    :param folder: an empty one, for what Chromium writes.
    :raises ServerError: there is no Chromium, or it failed.
    """
    chromium = process.find("chromium", PACKAGE, _FOLDERS)
    around = folder / "around.html"
    around.write_text(_AROUND % (width, html.escape(page)), encoding="utf-8")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder / 'profile'}",
            "--window-size=1300,2000",
            "--dump-dom",
            around.as_uri(),
        ],
        env=process.environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    _, _, rest = done.stdout.partition('<pre id="seen">')
    said, _, _ = rest.partition("</pre>")
    if not said:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise process.ServerError(f"Chromium showed nothing; it said: {last}")
    return Seen(**json.loads(html.unescape(said)))
