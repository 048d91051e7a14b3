#!/usr/bin/env python3
"""Runs pushload once and writes one line of JSON, with what the server used; makes tables of such lines.

usage: measure.py machine OUT BENCH
       measure.py run OUT SERVER_PID PUSHLOAD KEY=VALUE... -- ARGUMENTS
       measure.py h2load OUT SERVER_PID KEY=VALUE... -- ARGUMENTS
       measure.py memory OUT SERVER_PID KEY=VALUE...
       measure.py table BENCH OUT
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


def text(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def append(path, record):
    with open(path, "a", encoding="utf-8") as f:
        f.write(json.dumps(record) + "\n")


# -- what a server uses ----------------------------------------------------------


def family(pid):
    """The process and its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu(pid):
    """User and system seconds used so far."""
    user = system = 0
    for p in family(pid):
        try:
            with open("/proc/%d/stat" % p) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return user / TICK, system / TICK


def resident(pid):
    total = 0
    for p in family(pid):
        try:
            with open("/proc/%d/smaps_rollup" % p) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Rss:"))
        except OSError:
            continue
    return total * 1024


# -- running ---------------------------------------------------------------------


def labels(words):
    return dict(w.split("=", 1) for w in words)


def machine(out, bench):
    model = [l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
    append(out, {
        "bench": bench,
        "date": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "commit": text("git", "rev-parse", "--short", "HEAD") + ("+" if text("git", "status", "--porcelain", "src", "Cargo.toml") else ""),
        "machine": "%d x %s" % (os.cpu_count(), model[0] if model else platform.machine()),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "rustc": text("rustc", "--version"),
        "open_files": text("bash", "-c", "ulimit -n"),
    })


def run(out, pid, pushload, words):
    split = words.index("--")
    record = labels(words[:split])
    before, rss = cpu(pid), resident(pid)
    command = [pushload] + words[split + 1:] + ["--json", "--server-pid", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [l for l in done.stdout.splitlines() if l.startswith("{")]
    if done.returncode or not lines:
        sys.exit("pushload failed: %s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
    after = cpu(pid)
    record.update(rss_at_start=rss, rss_at_end=resident(pid), all_user_s=round(after[0] - before[0], 2),
                  all_system_s=round(after[1] - before[1], 2), **json.loads(lines[-1]))
    append(out, record)
    shown = ("ready", "rss_per_conn", "deliveries", "deliveries_per_s", "requests_per_s", "responses_per_s",
             "server_cpu_s_per_million", "lost", "refused", "others_cpu_s", "errors")
    print(" ".join(words[:split]), {k: record[k] for k in shown if record.get(k) not in (None, "")}, flush=True)


def h2load(out, pid, words):
    """Runs nghttp2's load generator, which speaks TLS and HTTP/2, and counts what it says was answered."""
    split = words.index("--")
    before = cpu(pid)
    done = subprocess.run(["h2load"] + words[split + 1:], capture_output=True, text=True, timeout=600)
    after = cpu(pid)
    finished = re.search(r"finished in [^,]+, ([\d.]+) req/s", done.stdout)
    counts = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed", done.stdout)
    if done.returncode or not finished or not counts:
        sys.exit("h2load failed: %s\n%s%s" % (" ".join(words), done.stdout, done.stderr))
    user, system = after[0] - before[0], after[1] - before[1]
    record = dict(labels(words[:split]), test="h2load", responses=int(counts.group(2)), failed=int(counts.group(3)),
                  requests_per_s=float(finished.group(1)), all_user_s=round(user, 2), all_system_s=round(system, 2),
                  server_cpu_s_per_million=(user + system) * 1e6 / int(counts.group(2)))
    append(out, record)
    print(" ".join(words[:split]), {k: record[k] for k in ("responses", "failed", "requests_per_s",
                                                           "server_cpu_s_per_million")}, flush=True)


def memory(out, pid, words):
    record = dict(labels(words), rss=resident(pid))
    append(out, record)
    print(" ".join(words), {"rss": record["rss"]}, flush=True)


# -- tables ----------------------------------------------------------------------


def rows(lines, **wanted):
    return [r for r in lines if all(r.get(k) == v for k, v in wanted.items())]


def median(lines, key):
    values = [r[key] for r in lines if isinstance(r.get(key), (int, float))]
    return statistics.median(values) if values else float("nan")


def spread(lines, key, scale=1.0, digits=2):
    values = [r[key] * scale for r in lines if isinstance(r.get(key), (int, float))]
    if not values:
        return "-"
    return "%.*f (%.*f to %.*f)" % (digits, statistics.median(values), digits, min(values), digits, max(values))


def grid(head, lines):
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for line in lines:
        print("| " + " | ".join(str(c) for c in line) + " |")
    print()


def total(lines, key):
    return sum(r.get(key) or 0 for r in lines)


def table_hold(lines):
    runs = [r for r in lines if r.get("test") in ("hold", "hold-ws")]
    body, sizes = [], sorted({r["conns"] for r in runs})
    for n in sizes:
        mine = rows(runs, conns=n)
        body.append([n, len(mine), total(mine, "ready"),
                     spread(rows(mine, fill="1"), "rss_per_conn", digits=0),
                     spread(mine, "server_cpu_us_per_accept", digits=1), spread(mine, "accepts_per_s", digits=0),
                     total(mine, "closed_while_held"), spread(mine, "idle_server_cpu_s")])
    grid(["held", "fills", "ready in all", "resident bytes per connection, first fill", "CPU us per accept",
          "accepts/s", "closed while held", "CPU s while idle"], body)
    if len(sizes) > 1:
        low, high = rows(runs, conns=sizes[0], fill="1"), rows(runs, conns=sizes[-1], fill="1")
        grown = [median(l, "rss_after") - median(l, "rss_before") for l in (low, high)]
        print("Slope from %d to %d connections: **%.0f bytes per connection**.\n"
              % (sizes[0], sizes[-1], (grown[1] - grown[0]) / (sizes[-1] - sizes[0])))
    start, body = {}, []
    for r in lines:
        if "when" in r:
            server = r["conns"], r["round"]
            start.setdefault(server, r["rss"])
            allowed = "" if r["when"] == "start" else "%.1f" % (start[server] * 1.1 / 2**20 + 20)
            body.append([r["conns"], r["round"], r["when"], "%.1f" % (r["rss"] / 2**20), allowed])
    grid(["server of", "round", "when", "resident MiB", "allowed: start x 1.1 + 20"], body)


def per_delivery(lines, key):
    """Microseconds for one delivery: what the long run used more than the short one."""
    short, long = rows(lines, length="short"), rows(lines, length="long")
    pairs = []
    for a in short:
        for b in [b for b in rows(long, round=a["round"]) if b["deliveries"] > a["deliveries"]]:
            pairs.append((b[key] - a[key]) / (b["deliveries"] - a["deliveries"]) * 1e6)
    return statistics.median(pairs) if pairs else float("nan"), pairs


def table_fanout(lines):
    runs = [r for r in lines if r.get("test") == "fanout"]
    servers = sorted({r["server"] for r in runs})
    body, cost = [], {}
    for s in servers:
        mine = rows(runs, server=s)
        user, users = per_delivery(mine, "all_user_s")
        system, _ = per_delivery(mine, "all_system_s")
        window = median(rows(mine, length="long"), "server_cpu_s_per_million")
        cost[s] = (user, system, window)
        low, high = (min(users), max(users)) if users else (float("nan"),) * 2
        body.append([s, len(mine), "%.2f (%.2f to %.2f)" % (user, low, high), "%.2f" % system,
                     "%.2f" % window, spread(rows(mine, length="long"), "deliveries_per_s", digits=0),
                     total(mine, "lost"), total(mine, "duplicate"), total(mine, "out_of_order"),
                     total(mine, "corrupt"), total(mine, "closed")])
    grid(["server", "runs", "user us per delivery", "system us", "both, pushload's window", "deliveries/s",
          "lost", "doubled", "reordered", "damaged", "closed"], body)
    print("User and system: what the long run used more than the short one, for each delivery more.\n")
    if "p-8" in cost and "limit" in cost:
        a, b = cost["p-8"], cost["limit"]
        print("**P-8 beyond the limit server: %.2f us user, %.2f us in all** per delivery." % (a[0] - b[0], a[2] - b[2]))


def table_proxy(lines):
    runs = [r for r in lines if r.get("test") == "proxy"]
    body, cost = [], {}
    for size in sorted({r["answer"] for r in runs}):
        for s in sorted({r["server"] for r in runs}):
            mine = rows(runs, server=s, answer=size)
            if mine:
                cost[size, s] = median(mine, "server_cpu_s_per_million")
                ratio = cost[size, s] / cost.get((size, "nginx"), float("nan"))
                body.append([size, s, len(mine), spread(mine, "server_cpu_s_per_million", digits=1), "%.2f" % ratio,
                             spread(mine, "requests_per_s", digits=0), spread(mine, "latency_p99_us", digits=0),
                             total(mine, "refused")])
    grid(["answer", "server", "runs", "CPU us per request", "x nginx", "requests/s", "p99 us", "refused"], body)


def table_tls_proxy(lines):
    runs = [r for r in lines if r.get("test") == "h2load"]
    body, cost = [], {}
    for kind in sorted({(r["protocol"], r["answer"]) for r in runs}):
        for s in sorted({r["server"] for r in runs}):
            mine = rows(runs, server=s, protocol=kind[0], answer=kind[1])
            if mine:
                cost[kind, s] = median(mine, "server_cpu_s_per_million")
                ratio = cost[kind, s] / cost.get((kind, "nginx"), float("nan"))
                body.append([kind[0], kind[1], s, len(mine), spread(mine, "server_cpu_s_per_million", digits=1),
                             "%.2f" % ratio, spread(mine, "requests_per_s", digits=0), total(mine, "failed")])
    grid(["client", "answer", "server", "runs", "CPU us per request", "x nginx", "requests/s", "failed"], body)


def beside_pushpin(runs, workloads, unit, counts):
    """One line for each workload and server: how many a CPU-second of it was enough for, and what went wrong."""
    for r in runs:
        r["per_cpu_s"] = 1e6 / r["server_cpu_s_per_million"]
    body = []
    for name, mine in workloads:
        pushpin = median(rows(mine, server="pushpin"), "per_cpu_s")
        for s in sorted({r["server"] for r in mine}):
            those = rows(mine, server=s)
            body.append([name, s, len(those), spread(those, "per_cpu_s", digits=0),
                         "%.1f" % (median(those, "per_cpu_s") / pushpin),
                         spread(those, "server_cpu_s_per_million", digits=1), spread(those, unit + "_per_s", digits=0)]
                        + [total(those, key) for key in counts])
    grid(["", "server", "runs", "for each CPU-second", "x Pushpin", "CPU us each", "each second"]
         + [key.replace("_", " ") for key in counts], body)


def table_publish(lines):
    runs = [r for r in lines if r.get("test") == "publish-rate"]
    print("Publishes that were accepted and delivered, in batches of %d.\n" % runs[0]["batch"])
    workloads = [({"no": "without ids", "yes": "with id and prev-id"}[i], rows(runs, ids=i)) for i in ("no", "yes")]
    beside_pushpin(runs, [w for w in workloads if w[1]], "deliveries",
                   ("published", "deliveries", "publish_errors", "lost", "duplicate", "out_of_order", "corrupt", "closed"))


def table_poll(lines):
    runs = [r for r in lines if r.get("test") == "poll"]
    print("Requests that were held, and answered by a publish.\n")
    beside_pushpin(runs, [("%d clients" % runs[0]["conns"], runs)], "responses",
                   ("responses", "published", "empty", "refused", "publish_errors", "corrupt"))


def table_ws_fanout(lines):
    table_fanout(lines)
    cost = {s: per_delivery(rows(lines, server=s), "all_user_s")[0] for s in ("stream", "websocket", "plain", "deflate")}
    print("**User time, WebSocket against stream: %.2f; compressed against not: %.2f.**"
          % (cost["websocket"] / cost["stream"], cost["deflate"] / cost["plain"]))


def table_ws_echo(lines):
    runs = [r for r in lines if r.get("test") == "ws-echo"]
    print("Messages that went to the backend in a request, and came back in its answer.\n")
    beside_pushpin(runs, [("%d clients" % runs[0]["conns"], runs)], "echoes", ("errors", "corrupt"))


def table(bench, out):
    with open(out, encoding="utf-8") as f:
        lines = [json.loads(l) for l in f]
    head = lines[0]
    print("# %s\n" % bench)
    print("%s, commit %s, %s, %s GiB, Linux %s, %s, %s open files a process. Median (smallest to largest).\n"
          % (head["date"], head["commit"], head["machine"], head["memory_gib"], head["kernel"], head["rustc"], head["open_files"]))
    {"hold": table_hold, "fanout": table_fanout, "proxy": table_proxy, "tls_proxy": table_tls_proxy, "publish": table_publish,
     "poll": table_poll, "ws_hold": table_hold, "ws_fanout": table_ws_fanout, "ws_echo": table_ws_echo}[bench](lines[1:])
    noise = [r["others_cpu_s"] for r in lines[1:] if "others_cpu_s" in r]
    if noise:
        print("\nCPU used by others while measuring: median %.2f s, at most %.2f s a run." % (statistics.median(noise), max(noise)))


def main():
    a = sys.argv[1:]
    if a[:1] == ["machine"]:
        machine(a[1], a[2])
    elif a[:1] == ["run"]:
        run(a[1], int(a[2]), a[3], a[4:])
    elif a[:1] == ["h2load"]:
        h2load(a[1], int(a[2]), a[3:])
    elif a[:1] == ["memory"]:
        memory(a[1], int(a[2]), a[3:])
    elif a[:1] == ["table"]:
        table(a[1], a[2])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
