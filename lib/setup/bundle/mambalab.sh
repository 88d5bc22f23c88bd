#!/bin/sh
# Runs mambalab out of the folder that this file lies in, by whatever link or path it was called.
set -u

folder_of() {
  case $1 in
    */*) echo "${1%/*}/" ;;
    *) echo ./ ;;
  esac
}

self=$0
while [ -L "$self" ]; do
  target=$(readlink "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(folder_of "$self")$target ;;
  esac
done
here=$(cd "$(folder_of "$self")" && pwd -P) || exit 1

# Behind what the user has set: that is to win.
search() {
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$1
  export LD_LIBRARY_PATH
}

fail() {
  echo "mambalab: $1" >&2
  exit 1
}

if [ -x "$here/bin/node" ]; then
  node=$here/bin/node
  if ! "$node" --version >/dev/null 2>&1; then
    search "$here/bin/lib"
    why=$("$node" --version 2>&1) || fail "Node.js of this bundle does not run here: $why"
  fi
else
  node=$(command -v node) || fail "this bundle comes without Node.js, and there is none on PATH (20.19 or newer, below 25)"
fi

# CUDA's libraries where they are usually put: the loader may not look there by itself.
if [ -d "$here/cuda" ]; then
  search "$here/cuda"
elif [ -e /usr/local/cuda/lib64/libnvrtc.so ] && ! grep -q libnvrtc /etc/ld.so.cache 2>/dev/null; then
  search /usr/local/cuda/lib64
fi

exec "$node" "$here/dist/lib/cli/main.js" "$@"
