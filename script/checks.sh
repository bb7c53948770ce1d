# Sourced by test and assure, after common.sh: what runs a check, counts, and closes with one line.
require_tools() {
  [ -f node_modules/.provery-lock ] || fail "the tools are not installed; run ./script/setup"
  use_tools
  local tool
  for tool in typos cargo-deny cargo-nextest; do
    find_tool "$tool" >/dev/null || fail "$tool is not installed; run ./script/setup"
  done
}

passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# One check that passes or fails as a whole.
check() {
  local name=$1
  shift
  say "$name"
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 60 "$log"
    echo "FAILED: $name"
  fi
}

# forge lint ends well whatever it finds, so what it says is looked at. What it writes has no bytecode: not where builds look.
lint() {
  FOUNDRY_OUT=out/lint FOUNDRY_CACHE_PATH=cache/lint forge lint 2>&1 | tee "$log.lint"
  local found=0
  grep -qE '^(warning|note|error)' "$log.lint" && found=1
  rm -f "$log.lint"
  return $found
}

# cargo fmt follows `mod`, and sees no file that a macro declares: each mechanism and workload is one.
rust_format() {
  git ls-files -z '*.rs' | xargs -0 rustfmt --edition 2024 --check
}

# Links that lead nowhere, and what else rustdoc warns of.
rust_docs() {
  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --document-private-items --locked
}

# A runner whose own counts are added: `count NAME SED-FOR-PASSED SED-FOR-FAILED COMMAND...`
count() {
  local name=$1 pass_pattern=$2 fail_pattern=$3 status=0 p f
  shift 3
  say "$name"
  "$@" 2>&1 | tee "$log" | { grep -vE '^\s*(PASS|\[PASS\])' || true; } || status=$?
  p=$(sed -E 's/\x1b\[[0-9;]*m//g' "$log" | sed -nE "$pass_pattern" | tail -n 1)
  f=$(sed -E 's/\x1b\[[0-9;]*m//g' "$log" | sed -nE "$fail_pattern" | tail -n 1)
  passed=$((passed + ${p:-0}))
  failed=$((failed + ${f:-0}))
  # A run that stopped before its tests (it did not compile, say) has failed even if it counted nothing.
  if [ "$status" -ne 0 ] && [ "${f:-0}" -eq 0 ]; then failed=$((failed + 1)); fi
  if [ "${p:-0}" -eq 0 ]; then echo "FAILED: $name ran no test"; failed=$((failed + 1)); fi
}

forge_tests() {
  count "forge tests" 's/.*: ([0-9]+) tests passed.*/\1/p' 's/.* ([0-9]+) failed, .* total tests.*/\1/p' forge test
}

# Those of a nextest profile: `cargo_tests NAME [nextest's options]`. Twice as many at a time as there are cores: those that run on a chain
# mostly wait for its blocks.
cargo_tests() {
  local name=$1
  shift
  count "$name" 's/.*Summary.* ([0-9]+) passed.*/\1/p' 's/.*Summary.* ([0-9]+) failed.*/\1/p' \
    "$(find_tool cargo-nextest)" nextest run --workspace --locked --no-fail-fast --test-threads $((2 * $(getconf _NPROCESSORS_ONLN))) "$@"
}

# The last line, and whether all is well.
close() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}
