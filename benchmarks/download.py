"""What does a download cost beside the network, and does it survive kills on a bad line?

    python -m benchmarks.download [kills]

A server of the dataset's protocol on this machine serves 60 files of 20 MB. The limit is `curl`,
which fetches them one after the other and checks nothing. Then a server that cuts 10 % of the
transfers and corrupts 5 % serves small files to a verb that is killed at random moments.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.data.download.server import Server, bad_line, md5

FILES, BYTES = 60, 20_000_000
SMALL_FILES, SMALL_BYTES = 200, 500_000
KILLS = 20
PARTITION = "2/video/train"


def main(kills: int = KILLS) -> None:
    """Prints the rates, and what kills left."""
    rng = random.Random(0)
    with (
        tempfile.TemporaryDirectory() as name,
        Server(PARTITION, _made(rng, FILES, BYTES)) as server,
    ):
        _rates(server, Path(name))
    small = _made(rng, SMALL_FILES, SMALL_BYTES)
    with tempfile.TemporaryDirectory() as name, Server(PARTITION, small, bad_line) as server:
        _kills(server, Path(name), small, kills, rng)


def _made(rng: random.Random, count: int, size: int) -> list[bytes]:
    base = rng.randbytes(size)
    return [number.to_bytes(8) + base[8:] for number in range(count)]


def _command(server: Server, output: Path) -> list[str]:
    words = (f"output={output}", "backoff_seconds=0.01", *server.words)
    return [sys.executable, "-m", "yt8m_exp.download", *words]


def _rates(server: Server, folder: Path) -> None:
    urls = [f"{server.url}/{PARTITION}/{name}" for name in server.names]
    limit = _seconds(["curl", "-sS", "--output-dir", str(folder), "--remote-name-all", *urls])
    command = _command(server, folder / "output")
    first, again = _seconds(command), _seconds(command)
    shutil.rmtree(folder / "output")
    print(f"{FILES} files of {BYTES // 10**6} MB")
    for what, seconds in (("curl", limit), ("download", first), ("nothing missing", again)):
        print(f"{what:20}{seconds:8.2f} s{FILES * BYTES / seconds / 1e6:10,.0f} MB/s")


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _kills(
    server: Server, folder: Path, contents: list[bytes], kills: int, rng: random.Random
) -> None:
    """Kills downloads at random moments, and looks at what has a name after each."""
    right = {server.local(number): md5(content) for number, content in enumerate(contents)}
    killed = wrong = there = 0
    for _ in range(kills):
        process = subprocess.Popen(_command(server, folder), stdout=-3, stderr=-3)
        time.sleep(rng.uniform(0.5, 4))
        process.kill()
        killed += process.wait() == -9
        named = list(folder.glob("*.tfrecord"))
        wrong += sum(md5(path.read_bytes()) != right[path.name] for path in named)
        if len(named) == len(right):
            shutil.rmtree(folder)  # and begin anew
        there = max(there, len(named))
    status = subprocess.run(_command(server, folder), capture_output=True, check=False).returncode
    whole = {path.name: md5(path.read_bytes()) for path in folder.glob("*.tfrecord")} == right
    print(
        f"{killed} killed, {wrong} wrong files under a name; the last call: status {status}, "
        f"{'all right' if whole else 'NOT all right'}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
