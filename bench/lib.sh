# What the end-to-end measurements share: building, starting and stopping, where results go. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bench=$1                                   # the measurement's name
out=${BENCH_OUT:-bench/results}/$(date +%F)-$bench
p8=${P8_BIN:-target/release/p-8}
pushload_source=${PUSHLOAD_SOURCE:-../shared/tools/pushload}
pushload=target/pushload/release/pushload
port=${BENCH_PORT:-23400}                  # clients; the ports after it are used too
control=$((port + 2)) backend=$((port + 9)) nginx_port=$((port + 10)) limit_port=$((port + 11))
work=target/bench/$bench
started=()                                 # processes of ours
rm -rf "$work"
mkdir -p "$work" "$(dirname "$out")"
ulimit -n "$(ulimit -Hn)"

stop() {                                   # stop PID: ask, wait, insist
    local pid others=()
    for pid in "${started[@]}"; do [ "$pid" = "$1" ] || others+=("$pid"); done
    started=("${others[@]}")               # its number may soon be somebody else's
    kill "$1" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    kill -9 "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
stop_all() { for pid in "${started[@]}"; do stop "$pid"; done; }
trap stop_all EXIT

build() {
    if [ ! -x "$pushload" ]; then
        echo "building pushload"
        rm -rf target/pushload-src         # a copy: its own folder may be read-only
        cp -r "$pushload_source" target/pushload-src
        chmod -R u+w target/pushload-src
        cargo build -q --release --manifest-path target/pushload-src/Cargo.toml --target-dir target/pushload
    fi
    [ -n "${P8_BIN:-}" ] || cargo build -q --release
}

answers() {                                # answers PORT [PATH]: waits until it does, 10 s
    for _ in $(seq 200); do
        curl -s -o "$work/answer" "http://127.0.0.1:$1${2:-/}" && return 0
        sleep 0.05
    done
    echo "nothing answers on port $1" >&2
    return 1
}

start_backend() {
    "$pushload" backend --listen "127.0.0.1:$backend" 2>"$work/backend.log" &
    started+=($!)
    answers "$backend" /hello
}

start_p8() {                               # start_p8 [SIG_KEY]: sets p8_pid
    local signing=
    [ -z "${1:-}" ] || signing=$(printf '[proxy]\nsig_key = "%s"\n' "$1")
    cat >"$work/p-8.toml" <<C
[http]
listen = ["127.0.0.1:$port"]

[control]
listen = "127.0.0.1:$control"

[handler]
message_rate = 100000000
message_hwm = 100000000
update_on_first_subscription = false

$signing
[[routes]]
host = "*"
targets = [{ url = "http://127.0.0.1:$backend" }]
C
    RUST_LOG=${RUST_LOG:-warn} "$p8" "$work/p-8.toml" >"$work/p-8.log" 2>&1 &
    p8_pid=$!
    started+=("$p8_pid")
    answers "$control" && answers "$port" /hello
}

start_nginx() {                            # sets nginx_pid
    local here=$PWD/$work/nginx
    mkdir -p "$here"
    cat >"$here/nginx.conf" <<C
daemon off;
worker_processes 2;
worker_rlimit_nofile $(ulimit -n);
pid $here/pid;
error_log $here/error.log error;
events { worker_connections 15000; multi_accept on; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path $here/body; proxy_temp_path $here/proxy;
  fastcgi_temp_path $here/fastcgi; uwsgi_temp_path $here/uwsgi; scgi_temp_path $here/scgi;
  upstream app { server 127.0.0.1:$backend; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:$nginx_port backlog=4096;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}
C
    "$(command -v nginx || echo /usr/sbin/nginx)" -p "$here" -c "$here/nginx.conf" 2>"$here/start.log" &
    nginx_pid=$!
    started+=("$nginx_pid")
    answers "$nginx_port" /hello
}

start_limit() {                            # sets limit_pid
    "$pushload" limit-server --listen "127.0.0.1:$limit_port" &
    limit_pid=$!
    started+=("$limit_pid")
    answers "$limit_port" /hello
}

# measure KEY=VALUE... -- PUSHLOAD ARGUMENTS: one line of JSON in the results, with the CPU time of $server_pid
measure() { python3 bench/measure.py run "$out.jsonl" "$server_pid" "$pushload" "$@"; }

begin() {
    rm -f "$out.jsonl"
    python3 bench/measure.py machine "$out.jsonl" "$bench"
}

finish() {
    python3 bench/measure.py table "$bench" "$out.jsonl" | tee "$out.md"
    echo "raw numbers: $out.jsonl"
}
