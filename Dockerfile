# The images of a team's setup: `server` (MLflow, the dashboard of studies) and `worker` (training, sweeps, serving).
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS uv
RUN python3 -m venv /uv && /uv/bin/pip install --quiet --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/venv UV_PYTHON=python3 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1
WORKDIR /project
COPY pyproject.toml uv.lock ./

FROM ${PYTHON_IMAGE} AS base
RUN useradd --create-home --uid 1000 yt8m \
    && install -d -o yt8m /project /project/runs /home/yt8m/.cache
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false
WORKDIR /project
USER yt8m

FROM uv AS server-packages
RUN /uv/bin/uv sync --quiet --frozen --no-install-project --only-group server

FROM base AS server
COPY --from=server-packages /venv /venv
COPY stack/users.ini stack/users.py stack/objects.py /stack/

FROM uv AS worker-packages
# "--extra postgres --extra dask --extra gpu" for GPUs
ARG EXTRAS="--extra postgres --extra dask"
RUN /uv/bin/uv sync --quiet --frozen --no-install-project --no-dev ${EXTRAS}

FROM base AS worker
COPY --from=worker-packages /venv /venv
COPY . /project
# The commit, for the runs: the image holds no repository. The path, for programs that import the project, as Dask's workers.
ARG COMMIT=
ENV YT8M_COMMIT=${COMMIT} PYTHONPATH=/project GIT_PYTHON_REFRESH=quiet MPLCONFIGDIR=/home/yt8m/.cache/matplotlib
