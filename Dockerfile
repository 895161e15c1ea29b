# coview in a container, without root. Decoding processes share clips through /dev/shm: give it 2 GB.
#   docker build -t coview .                               for a CPU
#   docker build -t coview:cuda --build-arg VARIANT=cuda . for NVIDIA GPUs; run it with --gpus all
#   docker run --rm --shm-size 2g -v "$PWD:/work" coview prepare my_videos data/mine
FROM python:3.11-slim-bookworm

ARG VARIANT=cpu
ARG EXTRAS=serve,cluster
ARG UID=1000

RUN useradd --create-home --uid "$UID" coview && mkdir /work && chown coview /work
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
RUN if [ "$VARIANT" = cpu ]; then \
      pip install --no-cache-dir -c constraints.txt torch --index-url https://download.pytorch.org/whl/cpu; \
    fi \
    && pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

ENV PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
USER coview
WORKDIR /work
EXPOSE 8765
ENTRYPOINT ["coview"]
CMD ["--help"]
