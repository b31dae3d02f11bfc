# The command `metaug` in a container, from the package index:
#
#   docker build -t metaug .
#   docker run --rm -v "$PWD/runs:/runs" metaug fit --config digits.yaml
#   docker run --rm --gpus all --ipc host -v DATA:/data -v "$PWD/runs:/runs" metaug fit --config cifar10.yaml --data.root /data
#
# On Linux the index gives PyTorch with CUDA. Without: --build-arg TORCH_INDEX=, the index for a CPU that PyTorch's page "Get Started" names
ARG BASE=python:3.12-slim
FROM ${BASE}

ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PATH=/opt/metaug/bin:$PATH
RUN python3 -m venv /opt/metaug
# the large part first, so that a change of the code does not fetch it again
RUN --mount=type=bind,source=pyproject.toml,target=/tmp/pyproject.toml \
    python -c "import tomllib; lines = tomllib.load(open('/tmp/pyproject.toml', 'rb'))['project']['dependencies']; print(*lines, sep='\n')" \
        > /tmp/requirements.txt \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r /tmp/requirements.txt
COPY . /src
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} /src && rm -rf /src

# whoever runs it: --user "$(id -u):$(id -g)" gives the files to you
RUN useradd --create-home metaug && mkdir /data /runs && chown metaug /data /runs && chmod 1777 /runs
USER metaug
ENV HOME=/home/metaug MPLCONFIGDIR=/tmp/matplotlib HF_HOME=/tmp/huggingface
VOLUME ["/data", "/runs"]
# configs write into ./runs
WORKDIR /
ENTRYPOINT ["metaug"]
CMD ["--help"]
