"""Makes the competition's predictions file of what a batch prediction job wrote."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from yt8m_exp import command


def run(cfg: DictConfig) -> dict[str, Any]:
    """Converts as a configuration of `conf/json_to_csv.yaml` says.

    Returns:
        The file, how many videos it holds, and how many more lines named one of them again.

    Raises:
        ValueError: a line is of another kind.
        FileNotFoundError: a pattern matches nothing.
        OSError: the file cannot be written.
    """
    from yt8m_exp.data.patterns import find_files
    from yt8m_exp.serving import json_lines
    from yt8m_exp.serving.predictions import PredictionsWriter
    from yt8m_exp.terminal import summary

    if cfg.top_k < 1:
        raise ValueError(f"`top_k >= 1` must hold, but got top_k={cfg.top_k}.")
    paths = find_files(OmegaConf.to_object(cfg)["predictions"])  # type: ignore[index, call-overload]
    seen: set[str] = set()
    repeated = 0
    with PredictionsWriter(cfg.output) as file:
        for video, class_ids, scores in (line for path in paths for line in json_lines.read(path)):
            if video in seen:  # a job that was retried writes a video again
                repeated += 1
                continue
            seen.add(video)
            file.write([video], class_ids[None, : cfg.top_k], scores[None, : cfg.top_k])
    result = {"output": str(Path(cfg.output).absolute()), "videos": len(seen), "repeated": repeated}
    summary.show(f"Predictions of {len(paths)} files", result, {})
    return result


if __name__ == "__main__":
    command.run("json_to_csv", run)
