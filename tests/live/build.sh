#!/usr/bin/env bash
# Builds the servers of the live tests that come as Go modules: `build.sh [NAME...]`, all without a name.
# Each NAME is a folder beside this file whose go.mod pins the module and names its programs in `tool`
# lines. The only program of a folder is called as the folder is; a file `ldflags` holds what the linker
# is told besides. What was built from the same pins is not built again; the programs stand in
# ${GRADATIM_LIVE_CACHE:-~/.cache/gradatim-live}/bin.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${GRADATIM_LIVE_CACHE:-$HOME/.cache/gradatim-live}
mkdir -p "$cache/bin"

# Two callers at once: the second one waits, and finds everything there.
exec 9>"$cache/lock"
flock 9

build() {
  local name=$1 pins built flags= tools begin=$SECONDS
  [[ -f $here/$name/go.mod ]] || { echo "no such server: $name" >&2; exit 2; }
  tools=($(sed -n 's/^tool //p' "$here/$name/go.mod"))
  [[ -f $here/$name/ldflags ]] && flags=$(<"$here/$name/ldflags")
  pins=$( (cat "$here/$name"/go.{mod,sum}; printf '%s' "$flags") | sha256sum | cut -c1-12)
  built=$cache/built/$name-$pins
  if [[ ! -d $built ]]; then
    command -v go >/dev/null || { echo "!! Go is missing: $name cannot be built" >&2; exit 1; }
    echo "building $name (some minutes)"
    rm -rf "$built.part"
    (
      cd "$here/$name"
      CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly \
        go build -trimpath -ldflags "-s -w $flags" -o "$built.part/" "${tools[@]}" \
        2> >(grep -v '^go: downloading' >&2)
    )
    # Go calls a program after its module: etcd's would be `server`.
    if ((${#tools[@]} == 1)) && [[ ! -e $built.part/$name ]]; then mv "$built.part"/* "$built.part/$name"; fi
    mv "$built.part" "$built"
    echo "built $name in $((SECONDS - begin)) s"
  fi
  local program
  for program in "$built"/*; do ln -sfn "$program" "$cache/bin/"; done
}

names=("$@")
((${#names[@]})) || for folder in "$here"/*/go.mod; do names+=("$(basename "$(dirname "$folder")")"); done
for name in "${names[@]}"; do build "$name"; done
echo "servers built from Go are in $cache/bin"
