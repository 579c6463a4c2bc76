#!/usr/bin/env bash
# Make this machine ready for the tests of containers (`make containers`): podman from Debian, podman-compose,
# and images that stand in for the official ones that Dockerfile and docker-compose.yaml name, so that no
# registry is needed. All is below build/containers; nothing of the machine's own podman is read or changed.
#
# The stand-ins carry the official names and tags. Their programs are Debian's: Python 3.11 and Redis 7.0 of
# bookworm, PostgreSQL 17 of trixie. User, group, folders, environment, entry point, command, volume and
# stop signal are as in the official images. docs/design/containers.md says what they cannot show.
set -euo pipefail

project=$(cd "$(dirname "$0")/../.." && pwd)
folder=$project/build/containers
work=$folder/work
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
needed=(podman runc buildah netavark aardvark-dns iptables nftables uidmap catatonit debootstrap)

fail() {
    echo "The tests of containers $1" >&2
    echo "All other tests of make soak run without them: make soak WITHOUT_CONTAINERS=1" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || fail "need Linux; this is $(uname -s)."
[ "$(id -u)" = 0 ] || fail "need root, which makes root file systems and networks: sudo make containers"
for controller in memory pids; do
    grep -qE "^$controller\s.*\s1$" /proc/cgroups \
        || fail "need the cgroup controller $controller, which /proc/cgroups does not show as enabled."
done
for program in podman runc buildah catatonit debootstrap iptables nft newuidmap /usr/lib/podman/netavark \
    /usr/lib/podman/aardvark-dns; do
    if command -v "$program" > /dev/null; then continue; fi
    command -v apt-get > /dev/null \
        || fail "need $program; install what Debian calls ${needed[*]}."
    echo "==> podman and what it needs"
    apt-get update -qq
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${needed[@]}" > /dev/null \
        || fail "need what apt-get could not install: ${needed[*]}"
    break
done

# The tags are those of the product's own files.
tag() { grep -ohE "$1:[0-9.]+-[a-z-]+" "$project/Dockerfile" "$project/docker-compose.yaml" | head -n 1; }

state=$({ cat "$0" "$project/tests/containers/requirements.txt"; tag python; tag postgres; tag redis; } | cksum)
if [ "$(cat "$folder/.done" 2> /dev/null)" = "$state" ]; then exit 0; fi

mkdir -p "$folder"
rm -f "$folder/.done"
cat > "$folder/storage.conf" << END
[storage]
driver = "overlay"
graphroot = "$folder/images"
runroot = "$folder/run"
END
# runc, since crun refuses a machine that mixes both versions of cgroups; limits that a container without
# CAP_SYS_RESOURCE may set.
cat > "$folder/containers.conf" << END
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
static_dir = "$folder/libpod"
tmp_dir = "$folder/tmp"
volume_path = "$folder/volumes"
[network]
network_backend = "netavark"
network_config_dir = "$folder/networks"
END
export CONTAINERS_CONF=$folder/containers.conf CONTAINERS_STORAGE_CONF=$folder/storage.conf

if [ ! -x "$folder/venv/bin/podman-compose" ]; then
    echo "==> podman-compose"
    "${PYTHON:-python3}" -m venv "$folder/venv"
fi
"$folder/venv/bin/pip" install --quiet --no-deps -r "$project/tests/containers/requirements.txt"

echo "==> images that stand in for python, postgres and redis (two or three minutes)"
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

# Make a small root file system: root SUITE NAME PACKAGES.
root() {
    debootstrap --variant=minbase --include="ca-certificates,netbase,tzdata,$3" "$1" "$work/$2" "$mirror" > "$folder/log" \
        || { tail -n 5 "$folder/log" >&2; fail "need Debian's packages from $mirror (DEBIAN_MIRROR names another mirror)."; }
    rm -rf "$work/$2"/var/cache/apt/*.bin "$work/$2"/var/cache/apt/archives/*.deb \
        "$work/$2"/var/lib/apt/lists/* "$work/$2"/usr/share/{doc,man,locale,info}/* "$work/$2"/var/log/*
    # A build downloads packages: behind a proxy that speaks TLS itself, only the machine knows whom to trust.
    cp /etc/ssl/certs/ca-certificates.crt "$work/$2/etc/ssl/certs/ca-certificates.crt"
}

# Commit a root file system under an official image's name: image NAME CONFIG….
image() {
    local name=$1 container; shift
    container=$(buildah from scratch)
    # Not `buildah copy`: it gives everything to root, and volumes take over the owner of a folder.
    cp --archive "$work/$name/." "$(buildah mount "$container")/"
    buildah umount "$container" > /dev/null
    buildah config "$@" "$container"
    buildah commit --quiet --rm "$container" "docker.io/library/$(tag "$name")"
    rm -rf "${work:?}/$name"
}

root bookworm python python3,python3-pip,python3-setuptools,python3-wheel,python3-venv
# Debian's own mark keeps pip from installing; the official image has none.
rm -f "$work"/python/usr/lib/python3*/EXTERNALLY-MANAGED
for tool in python3 pip3; do
    ln -s "/usr/bin/$tool" "$work/python/usr/local/bin/$tool"
    ln -s "/usr/bin/$tool" "$work/python/usr/local/bin/${tool%3}"
done
image python --env LANG=C.UTF-8 --cmd '["python3"]'

root trixie postgres postgresql-17
chroot "$work/postgres" sh -euc '
    userdel postgres 2>/dev/null || true; groupdel postgres 2>/dev/null || true
    groupadd -r -g 999 postgres
    useradd -r -g postgres -u 999 -d /var/lib/postgresql -s /bin/bash postgres
    rm -rf /var/lib/postgresql /etc/postgresql/* /run/postgresql
    install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data
    install -d -o postgres -g postgres -m 3777 /var/run/postgresql
    mkdir -p /docker-entrypoint-initdb.d
    echo "listen_addresses = '\''*'\''" >> /usr/share/postgresql/17/postgresql.conf.sample'
cat > "$work/postgres/usr/local/bin/docker-entrypoint.sh" <<'SH'
#!/usr/bin/env bash
# Do what the official entry point does: make a cluster from POSTGRES_*, run what lies in
# /docker-entrypoint-initdb.d on a server that only its socket reaches, then start the command.
set -Eeo pipefail
[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
mkdir -p "$PGDATA"
chmod 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?Database is uninitialized and superuser password is not specified}"
    export POSTGRES_USER=${POSTGRES_USER:-postgres}
    export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses=" -w start
    for file in /docker-entrypoint-initdb.d/*.sh; do
        [ ! -e "$file" ] || if [ -x "$file" ]; then "$file"; else . "$file"; fi
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
SH
chmod 755 "$work/postgres/usr/local/bin/docker-entrypoint.sh"
image postgres --env LANG=C.UTF-8 --env PGDATA=/var/lib/postgresql/data \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin \
    --volume /var/lib/postgresql/data --stop-signal SIGINT --port 5432 \
    --entrypoint '["docker-entrypoint.sh"]' --cmd '["postgres"]'

root bookworm redis redis-server
chroot "$work/redis" sh -euc '
    userdel redis 2>/dev/null || true; groupdel redis 2>/dev/null || true
    groupadd -r -g 999 redis
    useradd -r -g redis -u 999 redis
    install -d -o redis -g redis /data
    rm -rf /etc/redis /var/lib/redis'
image redis --workingdir /data --volume /data --port 6379 --cmd '["redis-server"]'

echo "$state" > "$folder/.done"
echo "==> ready"
