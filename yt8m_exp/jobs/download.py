"""Downloads a partition of the dataset, checked, into a folder or a bucket."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.data.download import extractor, partitions, transfers
from yt8m_exp.data.download.bucket import Bucket
from yt8m_exp.data.download.client import Client, UnreachableError
from yt8m_exp.data.download.folder import Folder
from yt8m_exp.data.download.partitions import File
from yt8m_exp.data.download.transfers import Ended
from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores.uris import scheme
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary

logger = logging.getLogger(__name__)
SAMPLED = 16
"""Files whose sizes tell how much all take."""
NAMED = 20
"""Files that a sentence names at most."""
MEGABYTE = 10**6


def run(cfg: DictConfig) -> Summary:
    """Downloads as a configuration of `conf/download.yaml` says.

    Returns:
        How many files are there, of how many bytes, and what could not be had.

    Raises:
        InputError: there is no such partition or part of it, or other files are in the way.
        UserError: the server does not answer, or the destination is too small or in use.
    """
    partitions.require(cfg.partition, [extractor.NAME])
    client = Client(
        connections=cfg.transfers, attempts=cfg.attempts, backoff_seconds=cfg.backoff_seconds
    )
    folder = _folder(cfg.output, cfg.partition)
    with folder.open():
        errors: dict[str, str | None] = {}  # None: the file is there
        try:
            files = _files(cfg, client, folder)
            there = _there(folder, files, replace=cfg.replace)
            errors |= dict.fromkeys(there)
            missing = [file for file in files if file.name not in there]
            if missing:
                _fetch(cfg, client, folder, missing, errors)
            if cfg.partition == extractor.NAME:
                extractor.record(Path(cfg.output), files)
        except (KeyboardInterrupt, OSError) as error:
            raise _stopped(error, errors, folder) from None
    return _summary(cfg, folder, files, there, errors)


def _folder(output: str, partition: str) -> Folder | Bucket:
    if partition == extractor.NAME and scheme(output):
        raise InputError(f"`output` must be a folder of this machine, but got {output!r}.")
    if scheme(output) == "gs":
        return Bucket(output, partition)
    if scheme(output):
        raise InputError(f"`output` must be a folder or gs://bucket/folder, but got {output!r}.")
    return Folder(Path(output).absolute(), partition)


def _stopped(
    error: BaseException, errors: Mapping[str, str | None], folder: Folder | Bucket
) -> BaseException:
    """Returns what to raise in place of an interrupt or of an error of the disk."""
    count = sum(reason is None for reason in errors.values())
    state = f"{count:,} files are in {folder}. Give the same command to go on"
    if isinstance(error, KeyboardInterrupt):
        return KeyboardInterrupt(f"Stopped: {state}.")
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(f"{error.strerror}: {state} when this is mended.")
    return error


def _files(cfg: DictConfig, client: Client, folder: Folder | Bucket) -> list[File]:
    """Returns the files to have: of the server's plan, or of what an older download left."""
    if cfg.partition in (*partitions.TABLES, extractor.NAME):
        if cfg.shard:
            raise InputError(f"{cfg.partition} has no parts, but got shard={cfg.shard}.")
        if cfg.partition == extractor.NAME:
            return extractor.files(cfg.server, Path(cfg.output))
        return partitions.tables(cfg.partition, cfg.server.files, cfg.server.vocabularies)
    m, n = partitions.parse_share(cfg.shard) if cfg.shard else (1, 1)
    plan = folder.old_plan()
    if plan is None:
        url = partitions.plan_url(cfg.server.plans, cfg.partition)
        plan = client.read(url, partitions.read_plan)
    else:
        logger.info(
            f"{partitions.plan_name(cfg.partition)} lists {len(plan):,} files that an older "
            "download had left. All others count as downloaded. Remove it to have them checked."
        )
    kept = partitions.share(plan, m, n)
    if plan and not kept:
        raise InputError(f"No file of {cfg.partition} is in part {m} of {n}. Take larger parts.")
    files = {name: md5 for name, md5 in plan.items() if name in kept}
    return partitions.shards(files, cfg.partition, cfg.server.files)


def _there(folder: Folder | Bucket, files: Sequence[File], *, replace: bool) -> dict[str, int]:
    """Returns the bytes of the files that are there, by name.

    A file of other content becomes a part, if an older download may have left it or `replace` says
    so.

    Raises:
        InputError: other files are in the way.
    """
    there, other = {}, []
    with progress.shown("Checking", len(files), unit="files") as advance:
        for number, (file, state) in enumerate(folder.states(files), 1):
            if state == "there":
                there[file.name] = folder.bytes_of(file)
            elif state == "other":
                other.append(file)
            advance(number)
    if other and not replace and folder.old_plan() is None:
        raise InputError(
            f"{folder} has other content under {_some([file.name for file in other])}. "
            "Name another output, or give replace=true."
        )
    for file in other:
        folder.take_back(file)
    return there


def _fetch(
    cfg: DictConfig,
    client: Client,
    folder: Folder | Bucket,
    files: Sequence[File],
    errors: dict[str, str | None],
) -> None:
    """Fetches files, shows how far it is, and adds to `errors` what became of each.

    It ends early if as many files as are fetched at a time fail in a row without an answer.
    """
    sizes = {file.name: folder.part_bytes(file) for file in files}
    start, total = sum(sizes.values()), _estimate(client, files)
    _require_room(folder, total - start)
    logger.info(f"Fetching {len(files):,} files, about {_text(total - start)}")

    def fetch(file: File, report: Callable[[int], None]) -> None:
        client.fetch(file, folder.part(file), report)
        folder.keep(file)
        errors[file.name] = None  # here: after an interrupt no event is read

    done, arrived, unanswered = 0, start, 0
    megabytes, first = max(total // MEGABYTE, 1), start // MEGABYTE
    with progress.shown("Downloading", megabytes, start=first, unit="MB") as advance:
        for event in transfers.side_by_side(fetch, files, cfg.transfers, client.stop):
            if isinstance(event, Ended):
                done += event.error is None
                unanswered = unanswered + 1 if isinstance(event.error, UnreachableError) else 0
                if event.error:
                    errors[event.file.name] = str(event.error)
            else:
                arrived += event.bytes - sizes[event.file.name]
                sizes[event.file.name] = event.bytes
            advance(arrived // MEGABYTE, files=done)
            if unanswered == cfg.transfers:
                return


def _estimate(client: Client, files: Sequence[File]) -> int:
    """Returns how many bytes files have together, by the sizes of some."""
    sampled = files[:: -(-len(files) // SAMPLED)]
    sizes = [size for file in sampled if (size := client.size(file.url)) is not None]
    return sum(sizes) * len(files) // max(len(sizes), 1)


def _require_room(folder: Folder | Bucket, needed: int) -> None:
    free = folder.free_bytes()
    if free is not None and needed > free:
        raise UserError(
            f"The download takes about {_text(needed)}, but {folder} has {_text(free)} free. Free "
            "more, name another output, or take a part of the files, as shard=1,100."
        )


def _summary(
    cfg: DictConfig,
    folder: Folder | Bucket,
    files: Sequence[File],
    there: Mapping[str, int],
    errors: Mapping[str, str | None],
) -> Summary:
    """Returns the end of the verb; its status is 1 if a file is missing."""
    sizes = {
        file.name: folder.bytes_of(file) for file in files if errors.get(file.name, "") is None
    }
    not_tried = "it was not tried, since the server no longer answers"
    failures = {
        file.name: errors.get(file.name) or not_tried for file in files if file.name not in sizes
    }
    result: dict[str, Any] = {
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "failed": len(failures),
        "fetched": len(sizes) - len(there),
        "output": str(folder),
    }
    rows = result | {"bytes": _text(result["bytes"])}
    if failures:
        rows["failed"] = f"{len(failures):,}: {_some(list(failures))}"
    for name, reason in list(failures.items())[:NAMED]:
        logger.warning(f"{name} is missing: {reason}")
    return Summary(
        f"{cfg.partition}, {len(files):,} files",
        result | {"failures": failures},
        rows,
        hints={"Fetch what is missing": "the same command"} if failures else {},
        status=1 if failures else 0,
    )


def _some(names: Sequence[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _text(size: int) -> str:
    """Returns bytes as kB, MB or GB."""
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return f"{size / 10**power:,.1f} {unit}"
    return f"{size / 1000:,.1f} kB"
