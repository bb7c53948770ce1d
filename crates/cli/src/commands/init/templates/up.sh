#!/bin/sh
# From the circuit's files to the first paid proof, on the chain that provery.toml names: registers the circuit, deploys the requester,
# creates and funds the market, asks, proves. README.md says what each step does. It is for a development chain, whose asset anybody
# mints: elsewhere fund the market with what you have. The account is that of PROVERY_PRIVATE_KEY.
set -eu
cd "$(dirname "$0")"

# The market. Whole units of the asset, seconds. No window may be longer than the deployment's limit. A step that failed is repeated without
# those before it: CIRCUIT=0x… names a circuit that is registered already.
NAME=${NAME:-{{market}}}
MECHANISM=${MECHANISM:-{{mechanism}}}
PRICE=${PRICE:-2}
BOND=${BOND:-0}
FAST=${FAST:-60}
EXCLUSIVE=${EXCLUSIVE:-300}
EXPIRY=${EXPIRY:-600}
FUNDS=${FUNDS:-20}
# What the first slot states, and is proven from.
STATEMENT=${STATEMENT:-"{{statement}}"}
INPUT=${INPUT:-circuit/{{input}}}

: "${PROVERY_PRIVATE_KEY:?names no key: on a development chain it is one of the funded accounts}"
RPC=${PROVERY_RPC_URL:-http://127.0.0.1:8545}
# What a command's JSON says; where it says nothing, the command failed and told why.
field() {
  found=$(tail -n 1 | grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4)
  [ -n "$found" ] || exit 1
  echo "$found"
}

echo "== the circuit" >&2
[ -n "${CIRCUIT:-}" ] ||
  CIRCUIT=$(provery circuit register {{descriptor}} --from circuit --deploy --input "$INPUT" --json | field circuit)
provery circuit fetch {{descriptor}} --from circuit

echo "== the requester" >&2
MARKET=$(provery status --json | field ProofMarket)
REQUESTER=$(forge create src/{{contract}}.sol:{{contract}} --rpc-url "$RPC" --private-key "$PROVERY_PRIVATE_KEY" --broadcast --json \
  --constructor-args "$MARKET" | tr -d ' \n' | field deployedTo)

echo "== the market" >&2
ID=$(provery market create --circuit "$CIRCUIT" --outputs {{outputs}} --name "$NAME" --requester "$REQUESTER" --inputs "$REQUESTER" \
  --callback-gas {{callback_gas}} --mechanism "$MECHANISM" --price "$PRICE" --bond "$BOND" --fast "$FAST" --exclusive "$EXCLUSIVE" \
  --expiry "$EXPIRY" --json | field market)
cast send "$REQUESTER" "setMarket(uint256)" "$ID" --rpc-url "$RPC" --private-key "$PROVERY_PRIVATE_KEY" > /dev/null
provery token mint --amount "$FUNDS"
provery market fund --market "$NAME" --amount "$FUNDS"
provery market quote --market "$NAME"

echo "== the first proof" >&2
TERMS=$(provery market show --market "$NAME" --json | field terms_tuple)
cast send "$REQUESTER" "ask({{terms_type}},{{statement_type}},bytes,bytes)" "$TERMS" "$STATEMENT" \
  "0x$(od -An -v -tx1 "$INPUT" | tr -d ' \n')" 0x --rpc-url "$RPC" --private-key "$PROVERY_PRIVATE_KEY" > /dev/null
provery prove 1 --market "$NAME"
provery slot show 1 --market "$NAME"
cast call "$REQUESTER" "answerTo({{statement_type}})({{answer_type}})" "$STATEMENT" --rpc-url "$RPC"
