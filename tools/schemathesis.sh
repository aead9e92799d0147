#!/bin/sh
# Starts the server of a build (default: dist) and sends it what schemathesis (PyPI) makes of its /openapi.json.
set -eu
build=${1:-dist}
port=${PORT:-34567}
cd "$(dirname "$0")/.."
root=$PWD
UPREZ_LOG=error PORT=$port node "$build/bin/uprez.js" serve &
server=$!
scratch=$(mktemp -d)
trap 'kill $server; rm -rf "$scratch"' EXIT
until curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; do
  kill -0 $server
  sleep 0.2
done
cd "$scratch"
schemathesis --config-file "$root/tools/schemathesis.toml" run "http://127.0.0.1:$port/openapi.json" --max-examples 10 --seed 1 --no-color
