# Build: wheels of the pinned versions; run: slim, non-root.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY budsim budsim
COPY agents agents
COPY topics topics
COPY tables tables
RUN python -m venv /opt/budsim && /opt/budsim/bin/pip install --no-cache-dir -c constraints.txt .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 budsim && mkdir /data && chown budsim /data
COPY --from=build /opt/budsim /opt/budsim
COPY pretrained_models /opt/budsim/pretrained_models
ENV PATH=/opt/budsim/bin:$PATH BUDSIM_DATA_FOLDER=/data BUDSIM_HOST=0.0.0.0 BUDSIM_PRETRAINED_MODELS_DIR=/opt/budsim/pretrained_models
USER budsim
VOLUME /data
ENTRYPOINT ["budsim"]
CMD ["--help"]
