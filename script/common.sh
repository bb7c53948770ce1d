# Sourced by the scripts: where the pinned tools are. Tools come from npm; a Foundry on PATH is used if its version matches.
# `--help` as a script's first argument is answered here, from any folder: by the comment at its head, and by the help of `$program` if
# the script names one before it sources this.
set -euo pipefail
script="$(cd "$(dirname "${BASH_SOURCE[1]:-${BASH_SOURCE[0]}}")" && pwd)/$(basename "${BASH_SOURCE[1]:-common.sh}")"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
FOUNDRY_VERSION=1.7.1

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

platform() {
  local os arch
  case "$(uname -s)" in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no pinned Foundry for $(uname -s); use Linux or macOS" ;;
  esac
  case "$(uname -m)" in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no pinned Foundry for $(uname -m); use an x86-64 or arm64 machine" ;;
  esac
  echo "$os-$arch"
}

# Put forge, anvil and cast on PATH: the pinned npm binaries first.
use_tools() {
  local tool bin
  for tool in forge anvil cast; do
    bin="$PWD/node_modules/@foundry-rs/$tool-$(platform)/bin"
    if [ -x "$bin/$tool" ]; then
      PATH="$bin:$PATH"
    elif ! { command -v $tool >/dev/null && $tool --version | grep -q "$FOUNDRY_VERSION"; }; then
      fail "$tool $FOUNDRY_VERSION is not installed; run ./script/setup"
    fi
  done
  export PATH
  export FOUNDRY_SOLC="$PWD/script/solc" PROVERY_SOLC="$PWD/script/solc" PROVERY_ANVIL="$(command -v anvil)"
  export FOUNDRY_DISABLE_NIGHTLY_WARNING=1
}

# A program that `cargo build --workspace` made. Run directly: `cargo run -p` selects other features and would build twice.
built() {
  local program="${CARGO_TARGET_DIR:-target}/debug/$1"
  [ -x "$program" ] || fail "$program is not built; run ./script/setup"
  echo "$program"
}

# Print where a tool for checks is: on PATH, or where setup put it.
find_tool() {
  local at
  for at in "$1" "$PWD/.provery/tools/$1/bin/$1" "$PWD/.provery/tools/bin/$1"; do
    command -v "$at" && return
  done
  return 1
}

# Print where nats-server is: on PATH, where Debian puts it, or where setup unpacked it.
find_nats() {
  local at
  for at in "${PROVERY_NATS_SERVER:-nats-server}" /usr/sbin/nats-server "$PWD/.provery/tools/usr/sbin/nats-server"; do
    command -v "$at" && return
  done
  return 1
}

# The lines at a script's head that begin with #, without it.
show_help() {
  sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$script"
  if [ -n "${program:-}" ] && [ -x "${CARGO_TARGET_DIR:-target}/debug/$program" ]; then
    echo
    exec "${CARGO_TARGET_DIR:-target}/debug/$program" --help
  fi
}
# Sourced by a shell that somebody types into, this has no script to speak of.
case "${BASH_SOURCE[1]:+${1:-}}" in
  -h | --help)
    show_help
    exit 0
    ;;
esac
