"""Pages as a browser shows them."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def shown(page: str, folder: Path, script: str = "") -> str:
    """Returns the document after its scripts, and one more, have run; skips without Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    path = folder / "page.html"
    path.write_text(f"{page}<script>{script}</script>")
    words = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
