#!/usr/bin/env bash
# Whether memory and open files stay where they are: a million clients that come and go in turns, and 10,000 held
# for an hour while 50 of them leave and come each second. Streams, long-polls, WebSockets; items are published.
# PARTS="turns hold" CLIENTS=1000000 AT_ONCE=2000 HELD=10000 SECS=3600 CHURN=50; a fresh server for each part.
source "$(dirname "$0")/lib.sh" soak
build
start_backend
begin
for part in ${PARTS:-turns hold}; do
    start_p8
    to=(--to "127.0.0.1:$port" --publish-to "127.0.0.1:$control" --pid "$p8_pid" --out "$out.jsonl")
    case $part in
        turns) python3 bench/soak.py "${to[@]}" --clients "${CLIENTS:-1000000}" --at-once "${AT_ONCE:-2000}" \
            --what "${CLIENTS:-1000000} clients, ${AT_ONCE:-2000} at once" ;;
        hold) python3 bench/soak.py "${to[@]}" --hold --clients "${HELD:-10000}" --secs "${SECS:-3600}" \
            --churn "${CHURN:-50}" --publish-every 0.1 --publish-shares 100 \
            --what "${HELD:-10000} clients held, ${CHURN:-50} leave and come each second" ;;
        *) echo "no such part: $part" >&2; exit 1 ;;
    esac
    stop "$p8_pid"
done
python3 bench/soak.py --table "$out.jsonl" | tee "$out.md"
echo "raw numbers: $out.jsonl"
