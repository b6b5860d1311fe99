"""How long does the command line take to answer, before any work is done?

    python -m benchmarks.startup

The limit is a Python that imports Hydra and does nothing.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 7
COMMANDS = {
    "import hydra": ["-c", "import hydra"],
    "(the list of verbs)": ["-m", "yt8m_exp"],
    "train --help": ["-m", "yt8m_exp", "train", "--help"],
    "completion of a key": ["-m", "yt8m_exp", "--complete", "yt8m train model=moe model.h"],
    "train --cfg job": ["-m", "yt8m_exp.train", "--cfg", "job"],
    "train epoch=1": ["-m", "yt8m_exp.train", "epoch=1"],
    "train epochs=-1": ["-m", "yt8m_exp.train", "epochs=-1"],
    "inference (no model given)": ["-m", "yt8m_exp.inference"],
}


def main() -> None:
    """Prints the table."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    status = {}
    for number in range(ROUNDS + 1):
        for name, words in COMMANDS.items():
            began = time.perf_counter()
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False)
            status[name] = done.returncode
            if number:
                seconds[name].append(time.perf_counter() - began)
    for name, values in seconds.items():
        print(f"{name:30}{statistics.median(values):8.2f} s   exit status {status[name]}")


if __name__ == "__main__":
    main()
