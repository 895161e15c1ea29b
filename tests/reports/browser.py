"""A page in headless Chromium: a probe's script looks at it and reports what it saw.

The page stands in a frame as wide as asked for, so that its own rules for narrow screens apply; the probe is an async
function of the frame's window whose value comes back. No driver is needed: Chromium prints the document at the end.
"""

import html
import json
import re
import shutil
import subprocess

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LISTENER = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(event.message));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
console.error = console.warn = (...words) => problems.push(words.join(" "));
</script>"""
WRAPPER = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" style="border:0;width:{width}px;height:{height}px" srcdoc="{page}"></iframe>
<script>
addEventListener("load", async () => {{
  const probe = async (window, document) => {{ {probe} }};
  const frame = document.getElementById("page").contentWindow;
  let said;
  try {{ said = {{ value: await probe(frame, frame.document), problems: frame.problems }}; }}
  catch (error) {{ said = {{ value: null, problems: [String(error)] }}; }}
  const place = document.createElement("pre");
  place.id = "said";
  place.textContent = JSON.stringify(said);
  document.getElementById("page").remove();
  document.body.append(place);
}});
</script>"""


def look(page, probe, *, folder, width=1000, height=800, is_dark=False):
    """Open a page, run a probe, return (its value, errors and warnings of the page).

    Args:
        page: an HTML file.
        probe: body of an async JavaScript function of `window` and `document`.
        folder: for the wrapper and the browser's own files.
        width: of the page.
        height: of the page.
        is_dark: whether the reader prefers dark.
    """
    source = page.read_text(encoding="utf-8").replace("<head>", "<head>" + LISTENER, 1)
    folder.mkdir(exist_ok=True)
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        WRAPPER.format(page=html.escape(source, quote=True), probe=probe, width=width, height=height), encoding="utf-8"
    )
    command = [
        EXECUTABLE,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={max(width, 500)},{height}",
        f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
        "--virtual-time-budget=4000",
        "--dump-dom",
        wrapper.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, f"the probe said nothing: {done.stdout[-500:]} {done.stderr[-1500:]}"
    said = json.loads(html.unescape(found[1]))
    return said["value"], said["problems"]
