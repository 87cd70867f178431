# One image a process: docker build --target api|worker-feedback|worker-tts|oktalk|s3 .
# All binaries are static. The images that decode, score or speak carry the tools for it; the others carry nothing else.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./cmd/...

FROM golang:1.26-bookworm AS build-s3
WORKDIR /src/tools/versitygw
COPY tools/versitygw/ ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/versitygw github.com/versity/versitygw/cmd/versitygw

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin oktalk
COPY deploy/healthy /usr/local/bin/healthy

FROM base AS speech
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg flite espeak-ng \
 && rm -rf /var/lib/apt/lists/*

# Scores recordings: acoustic model, dictionary, ffmpeg, and the letter-to-sound rules of flite and espeak-ng.
FROM speech AS api
RUN apt-get update \
 && apt-get install -y --no-install-recommends pocketsphinx-en-us \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/api /usr/local/bin/api
USER oktalk
EXPOSE 8080 9090
ENTRYPOINT ["api"]

FROM base AS worker-feedback
COPY --from=build /out/worker-feedback /usr/local/bin/worker-feedback
USER oktalk
EXPOSE 9090
ENTRYPOINT ["worker-feedback"]

# Speaks: flite for the voice, ffmpeg for MP3.
FROM speech AS worker-tts
COPY --from=build /out/worker-tts /usr/local/bin/worker-tts
USER oktalk
EXPOSE 9090
ENTRYPOINT ["worker-tts"]

# Migrations, keys and the other tools of operators.
FROM base AS oktalk
COPY --from=build /out/oktalk /usr/local/bin/oktalk
USER oktalk
ENTRYPOINT ["oktalk"]

# S3-compatible storage for a machine without a cloud account.
FROM base AS s3
COPY --from=build-s3 /out/versitygw /usr/local/bin/versitygw
RUN mkdir -p /data/buckets /data/metadata && chown -R oktalk /data
USER oktalk
VOLUME /data
EXPOSE 7070
ENTRYPOINT ["versitygw"]
CMD ["--port", ":7070", "--health", "/health", "--keep-alive", "--quiet", "posix", "--sidecar", "/data/metadata", "/data/buckets"]
