#!/usr/bin/env bash
# Runs the built binary from an empty directory against the simulator in the same binary: a key, an answer, a clean stop.
set -euo pipefail
binary=$(realpath "$1")
work=$(mktemp -d)
cd "$work"
cleanup() { kill "${gateway:-}" "${simulator:-}" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

"$binary" --version
"$binary" simulate --port 0 >simulator.log &
simulator=$!
for _ in $(seq 100); do grep -q 'http://' simulator.log && break; sleep 0.1; done
upstream=$(grep -o 'http://[0-9.:]*' simulator.log | head -1)

PORT=0 HOST=127.0.0.1 WORKERS=2 ADMIN_TOKEN=smoke-test-admin-token OPENAI_API_KEY=sk-upstream OPENAI_BASE_URL="$upstream" \
  "$binary" serve >gateway.log &
gateway=$!
for _ in $(seq 100); do grep -q 'listening' gateway.log && break; sleep 0.1; done
base=$(grep -o 'http://127[0-9.:]*' gateway.log | head -1)

key=$(curl -sf "$base/admin/api-keys" -H 'authorization: Bearer smoke-test-admin-token' -H 'content-type: application/json' \
  -d '{"name":"smoke","quota_usd":1}' | sed 's/.*"key":"\([^"]*\)".*/\1/')
answer=$(curl -sf "$base/v1/chat/completions" -H "authorization: Bearer $key" -H 'content-type: application/json' \
  -d '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}')
# `grep -q` on a pipe would leave before its writer has ended, which pipefail takes for a failure.
grep -q '"chat.completion"' <<<"$answer"
stream=$(curl -sfN "$base/v1/chat/completions" -H "authorization: Bearer $key" -H 'content-type: application/json' \
  -d '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello"}]}')
grep -q 'data: \[DONE\]' <<<"$stream"
metrics=$(curl -sf "$base/metrics")
grep -q '^tokenrouter_requests_total' <<<"$metrics"
kill -TERM "$gateway"
wait "$gateway"
echo "smoke: ok"
