"""Turns the result of a batch prediction job into the competition's predictions file."""

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data.patterns import find_files
from yt8m_exp.serving import json_lines, whole_file
from yt8m_exp.serving.predictions import PredictionsWriter
from yt8m_exp.terminal.summary import Summary


def run(cfg: DictConfig) -> Summary:
    """Converts as a configuration of `conf/json_to_csv.yaml` says.

    Returns:
        The file, how many videos it holds, and how many further lines repeated one of them.

    Raises:
        InputError: a line has another format, or the file cannot be written.
        MissingInputError: a pattern matches nothing, or the file's folder does not exist.
    """
    paths = find_files(compose.plain(cfg)["predictions"])
    seen: set[str] = set()
    repeated = 0
    with PredictionsWriter(cfg.output) as file:
        for video, class_ids, scores in (line for path in paths for line in json_lines.read(path)):
            if video in seen:  # a job that was retried writes a video again
                repeated += 1
                continue
            seen.add(video)
            file.write([video], class_ids[None, : cfg.top_k], scores[None, : cfg.top_k])
    result = {"output": whole_file.absolute(cfg.output), "videos": len(seen), "repeated": repeated}
    return Summary(f"Predictions of {len(paths)} files", result)
