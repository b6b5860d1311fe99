"""Submits a verb as a job of a cloud."""

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.jobs.steps import vertex
from yt8m_exp.terminal.summary import Summary


def run(cfg: DictConfig) -> Summary:
    """Submits as a configuration of `conf/submit.yaml` says.

    Returns:
        The request, and the name of the job; None with `dry_run`.

    Raises:
        InputError: the job's overrides or the shape are wrong, or the tracking server cannot be
            reached from a job.
        OutsideError: Vertex AI refuses the request.
    """
    values = compose.plain(cfg)
    request = vertex.request(values)
    job = None if cfg.dry_run else vertex.submit(values, request)
    what = f"{cfg.job} as {cfg.shape} on Vertex AI"
    title = f"Not submitted: {what}" if cfg.dry_run else f"Submitted: {what}"
    hints = {} if job is None else {"Look": vertex.page(job)}
    return Summary(title, {"job": job, "request": request}, hints=hints)
