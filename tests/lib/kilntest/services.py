"""Services of sessions on the host image: PostgreSQL and Redis, as Debian has them."""

from pathlib import Path

MIB = 1024 * 1024
BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), None)
REDIS = Path("/usr/bin/redis-server")

# A cluster that nobody needs tomorrow, small and without waiting for a disk.
START = (
    "test -d /sandbox/data || {bin}/initdb -D /sandbox/data -U postgres -A trust -N >/tmp/initdb 2>&1 || {{ cat /tmp/initdb; exit 1; }}; "
    "exec {bin}/postgres -D /sandbox/data -k /tmp -h 127.0.0.1 -F -c shared_buffers=16MB -c max_connections=40"
)


def postgresql(image="host", folder=BIN):
    return {
        "image": image,
        "command": START.format(bin=folder),
        "limits": {"memory_bytes": 512 * MIB, "disk_bytes": 256 * MIB},
        "ready": {"command": [f"{folder}/pg_isready", "-h", "127.0.0.1", "-U", "postgres", "-q"], "start_ms": 300_000},
    }


def redis(image="host", program=REDIS):
    return {
        "image": image,
        "command": [str(program), "--save", "", "--bind", "127.0.0.1", "--dir", "/sandbox"],
        "ready": {"command": ["redis-cli", "-h", "127.0.0.1", "ping"], "start_ms": 120_000},
    }
