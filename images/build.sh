#!/bin/sh
# Builds the images, or those that are named: gateway, transformers-cuda, transformers-cpu, tensorrt-llm.
#   ENGINE           docker or podman; by default the first of them that can build
#   TORCH_CPU_INDEX  package index of PyTorch's builds for CPUs, which transformers-cpu needs
set -eu
cd "$(dirname "$0")/.."

fail() {
  echo "images: $1" >&2
  exit 1
}

usable() {
  command -v "$1" > /dev/null && "$1" info > /dev/null 2>&1
}

if [ -z "${ENGINE:-}" ]; then
  for engine in docker podman; do
    if usable "$engine"; then ENGINE=$engine; break; fi
  done
  [ -n "${ENGINE:-}" ] || fail "neither docker nor podman can build here: install one, or start docker's daemon"
else
  usable "$ENGINE" || fail "$ENGINE is not on the PATH, or its daemon does not answer: start it, or name another by ENGINE="
fi

if [ $# -eq 0 ]; then
  set -- gateway transformers-cuda tensorrt-llm
  if [ -n "${TORCH_CPU_INDEX:-}" ]; then
    set -- "$@" transformers-cpu
  else
    echo "images: transformers-cpu is left out: it needs TORCH_CPU_INDEX=, see docs/images.md" >&2
  fi
fi

version=$(sed -n 's/^version = "\([^"]*\)".*/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)
created=$(date -u +%Y-%m-%dT%H:%M:%SZ)

build() { # TARGET TAG [OPTION...]
  target=$1 tag=$2
  shift 2
  "$ENGINE" build --file images/Containerfile --target "$target" --tag "$tag" --build-arg "VERSION=$version" \
    --build-arg "REVISION=$revision" --build-arg "CREATED=$created" "$@" .
}

for image in "$@"; do
  case $image in
    gateway | tensorrt-llm) build "$image" "paddock-$image:$version" ;;
    transformers-cuda) build transformers "paddock-transformers:$version-cuda" ;;
    transformers-cpu)
      [ -n "${TORCH_CPU_INDEX:-}" ] || fail "transformers-cpu needs TORCH_CPU_INDEX=, see docs/images.md"
      build transformers "paddock-transformers:$version-cpu" --build-arg "TORCH_INDEX=$TORCH_CPU_INDEX"
      ;;
    *) fail "there is no image $image: gateway, transformers-cuda, transformers-cpu and tensorrt-llm are" ;;
  esac
done
