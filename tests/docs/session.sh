# The one shell in which ./script/docs types the documents. Started in the copy of the checkout; $DOCS has blocks and list.
set -o pipefail -E
source "$DOCS/checks.sh"
place="the start"
trap 'echo "FAILED $place, line $LINENO: $BASH_COMMAND" >>"$DOCS/progress"; exit 1' ERR

run() { # NUMBER CHECK PLACE
  local began=$SECONDS
  place=$3
  echo "== $3"
  source "$DOCS/blocks/$1"
  if [ "$2" != - ]; then
    place="$3, check $2"
    "check_$2"
  fi
  echo "ok $3 ($((SECONDS - began)) s)" >>"$DOCS/progress"
}

while read -r number mode check at <&3; do
  [ "$mode" != run ] || run "$number" "$check" "$at"
done 3<"$DOCS/list"
if grep -q ' later ' "$DOCS/list"; then
  place="before what is for later"
  time_passes
  while read -r number mode check at <&3; do
    [ "$mode" != later ] || run "$number" "$check" "$at"
  done 3<"$DOCS/list"
fi
kill $(jobs -p) 2>/dev/null
trap - ERR
wait
exit 0
