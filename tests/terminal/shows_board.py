"""Shows the board of a study with messages among it, as a sweep does."""

import logging
import sys

from yt8m_exp import cli
from yt8m_exp.terminal import board

PARAMETERS = "parameters"
COLUMNS = ("slot", "trial", PARAMETERS, "ex/s", "GAP", "passed", "left")
"""A sweep's own, without the import of all that it needs."""
MOE = "learning_rate=0.02334 batch_size=512 experts=4 l2=1.23e-07 dropout=0.3021"
logger = logging.getLogger("yt8m_exp.tests")

if __name__ == "__main__":
    cli.prepare()
    with board.shown("Study moe: 3 trials", COLUMNS, wraps=PARAMETERS) as show:
        for number in range(3):
            values = (str(number), MOE, "12,345", "0.7104", "0:42", "12:05")
            rows = [(str(slot), *values) for slot in (0, 1)]
            show(rows, {"finished": f"{number} of 3", "left": "12:05"})
            logger.info("Trial %d complete after 42 s, 69,273 examples. val/gap 0.7104", number)
        if "stay" in sys.argv:
            sys.stdin.read()  # until the terminal is closed
        below = {"finished": "3 of 3", "complete": "2", "pruned": "1", "passed": "2:06"}
        show([], below | {"best": "0.7104 (trial 1)"})
