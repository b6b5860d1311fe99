import subprocess
import sys
from pathlib import Path

from tensorflow.core.example import example_pb2

from tests.data.examples import entry, field, frame_video, text, video
from yt8m_exp.data.tfrecords import messages

PROJECT = Path(__file__).parents[3]
IRREGULAR = field(1, entry("labels", text(b"a", b"b")) + entry("id", text(b"v")))
DECODE = """
import sys
from tests.data.examples import decoded, entry, field, text
_, problems = decoded([field(1, entry("labels", text(b"a", b"b")) + entry("id", text(b"v")))])
assert len(problems) == 1
sys.exit("tensorflow" in sys.modules)
"""


def written(module, name: str, record: bytes) -> bytes:
    return getattr(module, name).FromString(record).SerializeToString(deterministic=True)


def test_messages_are_those_of_tensorflow():
    cases = [("Example", video(3)), ("Example", IRREGULAR), ("SequenceExample", frame_video(2, 5))]
    for name, record in cases:
        assert written(messages, name, record) == written(example_pb2, name, record)


def test_an_irregular_record_does_not_load_tensorflow():
    assert subprocess.run([sys.executable, "-c", DECODE], cwd=PROJECT).returncode == 0
