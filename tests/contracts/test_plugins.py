"""A package tests what it registers with our contract tests: `pytest --plugin my_package tests/contracts`."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_rows_of_a_plugin_are_tested_unedited(tmp_path):
    (tmp_path / "slow_and_small.py").write_text(
        "import coview\n"
        "from coview.encoders.tiny3d import tiny3d\n\n"
        "@coview.register('encoder', 'smallest')\n"
        "def smallest(in_channels: int):\n"
        "    'An encoder of somebody else.'\n"
        "    return tiny3d(in_channels=in_channels)\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--plugin", "slow_and_small"]
    command += ["tests/contracts/test_encoders.py", "-k", "smallest and pooled", "-rA"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert "test_pooled_is_the_mean_of_the_map[smallest]" in done.stdout
    assert "1 passed" in done.stdout
