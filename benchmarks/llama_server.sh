#!/bin/sh
# Builds llama.cpp's own server from the source that llama-cpp-python ships, as $PEERS/bin/llama-server: the same version
# that the Python package binds. `make peers` runs it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
package=$(sed -n 's/^llama-cpp-python\[server\]==/llama-cpp-python==/p' benchmarks/peers.txt)
"$PEERS/bin/python" -m pip --disable-pip-version-check download --quiet --no-deps --no-binary llama-cpp-python \
	--dest "$folder" "$package"
tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder"
PATH="$PEERS/bin:$PATH"
cmake -S "$folder"/llama_cpp_python-*/vendor/llama.cpp -B "$folder/build" -DCMAKE_BUILD_TYPE=Release \
	-DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
	-DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF >/dev/null
cmake --build "$folder/build" --target llama-server --parallel "$(nproc)" >/dev/null
cp "$folder/build/bin/llama-server" "$PEERS/bin/"
