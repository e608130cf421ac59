FROM python:3.11-slim AS build
WORKDIR /src
COPY constraints.txt pyproject.toml README.md ./
COPY budsim budsim
COPY agents agents
COPY topics topics
COPY tables tables
RUN python -m venv /opt/budsim \
 && /opt/budsim/bin/pip install --no-cache-dir --no-compile -c constraints.txt .

FROM python:3.11-slim
ENV PATH=/opt/budsim/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BUDSIM_DATA_FOLDER=/var/lib/budsim \
    BUDSIM_PRETRAINED_MODELS_DIR=/opt/pretrained_models \
    HF_HOME=/var/lib/budsim/huggingface
RUN useradd --system --uid 10001 --home-dir /var/lib/budsim --create-home budsim
COPY --from=build /opt/budsim /opt/budsim
COPY pretrained_models /opt/pretrained_models
USER budsim
WORKDIR /var/lib/budsim
EXPOSE 8080 8081
ENTRYPOINT ["budsim"]
CMD ["--help"]
