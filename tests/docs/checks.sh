# Whether what the documents promise happened: `check=NAME` after a block's fence runs check_NAME. Every wait has a bound.

# until SECONDS COMMAND...: until it succeeds.
until_so() {
  local left=$1
  shift
  until "$@" >/dev/null 2>&1; do
    [ $((left--)) -gt 0 ] || { echo "not within the time: $*"; return 1; }
    sleep 1
  done
}
json() { node -e 'const it = JSON.parse(require("fs").readFileSync(0, "utf8")); process.exit(eval(process.argv[1]) ? 0 : 1)' "$1"; }

finalized() { provery rollup status --name "$1" --json | json "it.finalized >= $2"; }
ready() { curl -fsS "http://$(head -n 1 .provery/node/node.http)/readyz"; }
weighs() { provery prover status "$PROVER" --json | json 'it.allocations.some(a => a.market === "1" && a.weight > 0)'; }

check_chain() { until_so 30 cast block-number; }
check_posted() { provery rollup status --name first --json | json 'it.head === 3'; }
check_first_proven() { until_so 300 finalized first 3 && until_so 300 ready && until_so 300 weighs; }
check_drawn() {
  until_so 300 finalized first 6
  provery slot show 4 --market 1 --json | json 'it.draw.agrees && it.payee !== null'
}
active() { provery prover status "$PROVER" --json | json '!it.paused'; }
check_ready() { until_so 300 ready && until_so 300 active; }
check_all_proven() {
  local name
  for name in steady fast mined cheap bidding asked; do until_so 600 finalized $name 2; done
  provery slot list --market 6 --json | json "it.slots.every(s => s.prover.toLowerCase() === '$PROVER'.toLowerCase())"
}
check_explained() {
  local market
  for market in 1 2 3 4 5 6 7; do
    provery slot show 2 --market $market --json | json 'it.why.length > 1 && it.mechanism !== null'
  done
}
check_worker_works() { until_so 300 finalized first 9; }
check_pool_works() { until_so 300 finalized first 8; }

# Days, on a development chain, whose exit time is 630 s: what was announced is due after three of them, and lapses after four.
time_passes() {
  cast rpc evm_increaseTime 2000
  cast rpc evm_mine
}
