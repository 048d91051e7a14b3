#!/usr/bin/env bash
# Fuzzes every parser with a fixed seed, one after another, and keeps in seeds/ the smallest set of inputs that reaches
# what was reached. SECS=150 each, about an hour in all; SEED=1; TARGETS="zmq jsonp"; KEPT_BYTES_MAX=120000 a target;
# OUT=file of the table. Ends with 1 if an input broke a rule: it is in artifacts/, and nothing of its target is kept.
set -euo pipefail
cd "$(dirname "$0")"
secs=${SECS:-150} seed=${SEED:-1} kept_bytes_max=${KEPT_BYTES_MAX:-120000} out=${OUT:-target/fuzz.md}
triple=$(rustc -vV | sed -n 's/^host: //p')
folder=${CARGO_TARGET_DIR:-target}
# What cargo-fuzz sets, without a sanitizer: there is no unsafe code here to look for.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Coverflow-checks"
cargo +nightly build --release --target "$triple"
[ -n "${TARGETS:-}" ] || TARGETS=$(ls fuzz_targets | sed 's/\.rs$//')
mkdir -p "$(dirname "$out")"
printf '| target | seconds | processor seconds | executions | inputs kept | bytes |\n|%s\n' ' --- | --- | --- | --- | --- | --- |' >"$out"
failed=0
for target in $TARGETS; do
    program=$folder/$triple/release/$target
    found=corpus/$target kept=seeds/$target log=target/fuzz-$target.log
    mkdir -p "$found" "$kept" "artifacts/$target" target
    [ "$target" != config ] || cp ../p-8.toml "$found/"
    dictionary=()
    case $target in framing* | http2_head) dictionary=(-dict=http.dict) ;; esac
    began=$SECONDS
    before=$(awk '{ print $16 + $17 }' /proc/$$/stat)    # processor time of children
    if ! "$program" -seed="$seed" -max_total_time="$secs" -timeout=20 -max_len=8192 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" "${dictionary[@]}" "$found" "$kept" >"$log" 2>&1; then
        echo "$target: a rule is broken, see fuzz/$log and fuzz/artifacts/$target" >&2
        failed=1
        continue
    fi
    took=$((SECONDS - began)) after=$(awk '{ print $16 + $17 }' /proc/$$/stat)
    ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    # The smallest inputs that reach it all; those above the bound are left to corpus/.
    fresh=target/kept-$target
    rm -rf "$fresh" && mkdir -p "$fresh"
    "$program" -merge=1 -timeout=20 -max_len=8192 "$fresh" "$kept" "$found" >>"$log" 2>&1
    rm -rf "$kept" && mkdir -p "$kept"
    bytes=0
    while read -r size file; do
        [ $((bytes + size)) -le "$kept_bytes_max" ] || break
        cp "$fresh/$file" "$kept/"
        bytes=$((bytes + size))
    done < <(cd "$fresh" && stat -c '%s %n' -- * | sort -n)
    printf '| `%s` | %d | %d | %s | %d | %d |\n' "$target" "$took" "$(((after - before) / $(getconf CLK_TCK)))" "$ran" \
        "$(ls "$kept" | wc -l)" "$bytes" | tee -a "$out"
done
exit $failed
