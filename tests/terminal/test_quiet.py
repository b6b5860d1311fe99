import subprocess
import sys

import pytest

CODE = """
import sys
from yt8m_exp.terminal import quiet
with quiet.startup():
    import keras, tensorflow
print(sorted({"sklearn", "matplotlib"} & sys.modules.keys()))
import matplotlib.figure, sklearn
with quiet.startup():
    import matplotlib.pyplot
"""


@pytest.mark.slow
def test_a_start_loads_no_library_that_only_unused_parts_of_keras_want_and_all_are_there_after_it():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
