"""Make docs/images/page.webp, the picture of the page in the README: synthetic videos -> pretrain -> index -> serve.

python docs/make_screenshot.py [FOLDER]

The videos are drawn by coview itself. FOLDER keeps what is made, so that a second call only takes the picture; it needs
the extra `serve`, Playwright and a Chromium (COVIEW_CHROMIUM, or one that is found).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

IMAGE = Path(__file__).parent / "images" / "page.webp"
WIDTH, HEIGHT = 1280, 880
PLAY = "[...document.querySelectorAll('#stage video')].filter((one) => one.currentTime > 0.2).length === 2"


def coview(*words: str) -> None:
    """Run one command."""
    print("$ coview", *words, flush=True)
    subprocess.run([sys.executable, "-m", "coview", *words], check=True)


def make_index(folder: Path) -> Path:
    """Go the whole road, where it was not gone yet; return the index."""
    videos, data, run, index = (str(folder / name) for name in ("videos", "data", "run", "idx"))
    drawn = ["--layout", "synthetic", "--synthetic.num-videos", "60", "--synthetic.num-frames", "100"]
    coview("prepare", videos, data, *drawn, "--views", "rgb", "flow", "--short-side", "96", "--flow.algorithm", "dis")
    coview("pretrain", "demo", "--data", data, "--out", run, "--resume", "--max-steps", "120")
    coview("index", run, videos, index)
    return Path(index)


def take_picture(index: Path) -> None:
    """Serve the index, search by a clip, and keep what a browser shows."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = os.environ.get("COVIEW_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    command = [sys.executable, "-u", "-m", "coview", "serve", str(index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as started:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", "".join(server.stdout.readline() for _ in range(3)))
            assert address is not None
            opened = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", bypass_csp=True)
            page.set_default_timeout(300_000)
            page.goto(address[0])
            page.locator(".card-open").nth(3).click()
            page.wait_for_selector(".refine")
            page.locator("#content .card-open").nth(4).click()
            page.wait_for_function(PLAY)
            page.wait_for_load_state("networkidle")
            page.mouse.move(WIDTH / 2, 1)
            page.evaluate("document.documentElement.style.scrollbarWidth = 'none'; scrollTo(0, 0)")
            IMAGE.parent.mkdir(exist_ok=True)
            shown = np.frombuffer(page.screenshot(), np.uint8)
            cv2.imwrite(str(IMAGE), cv2.imdecode(shown, cv2.IMREAD_COLOR), [cv2.IMWRITE_WEBP_QUALITY, 85])
            opened.close()
        finally:
            server.terminate()


def main() -> None:
    """Make the index, then the picture."""
    if len(sys.argv) > 1:
        take_picture(make_index(Path(sys.argv[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        take_picture(make_index(Path(folder)))


if __name__ == "__main__":
    main()
