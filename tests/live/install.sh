#!/usr/bin/env bash
# Brings the servers that the live tests start: safe to run again, asks nothing.
set -euo pipefail

# Each line: a program that a test starts, and the Debian package it comes in.
wanted='prometheus prometheus
pip3 python3-pip
nginx nginx-light'

missing=()
while read -r program package; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("$package")
done <<<"$wanted"

if ((${#missing[@]} == 0)); then
  echo 'all servers of the live tests are here'
  exit
fi
if ! command -v apt-get >/dev/null; then
  echo "!! no apt-get here: install ${missing[*]} by hand, or the live tests report them as missing"
  exit
fi

as_root=()
((EUID == 0)) || as_root=(sudo)
install() {
  # The tests start servers of their own; the packages' services must not.
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -o DPkg::Lock::Timeout=120 install --yes --quiet --no-install-recommends "${missing[@]}" </dev/null
}
echo "installing ${missing[*]}"
install || { "${as_root[@]}" apt-get update --quiet && install; }
