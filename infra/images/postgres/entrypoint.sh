#!/bin/sh
# The official image's contract: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also as *_FILE),
# POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA and /docker-entrypoint-initdb.d.
set -eu

fail() { printf '%s\n' "$*" >&2; exit 1; }

# from_file NAME: sets NAME from the file that NAME_FILE names.
from_file() {
  eval "file=\${$1_FILE:-}"
  [ -z "$file" ] && return
  eval "[ -z \"\${$1:-}\" ]" || fail "Both $1 and $1_FILE are set. Set one of them."
  value=$(cat "$file")
  export "$1=$value"
}

run_init_files() {
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) echo "running $file"; if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) echo "running $file"; client -f "$file" ;;
      *.sql.gz) echo "running $file"; gunzip -c "$file" | client ;;
      '/docker-entrypoint-initdb.d/*') ;;
      *) echo "ignoring $file" ;;
    esac
  done
}

client() {
  PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc -h "$PGDATA" -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"
}

initialise() {
  [ -n "${POSTGRES_PASSWORD:-}" ] || [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ] ||
    fail 'The database is not initialised and POSTGRES_PASSWORD is empty. Set it, for example with -e POSTGRES_PASSWORD=...'
  POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-}
  password_file=$(mktemp)
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password_file"
  # shellcheck disable=SC2086 # the arguments are a list
  initdb -D "$PGDATA" --username="$POSTGRES_USER" --pwfile="$password_file" --auth-local=trust \
    --auth-host="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
  rm -f "$password_file"
  echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  # A temporary server on a socket only, so that nobody mistakes it for the real one.
  pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -c unix_socket_directories='$PGDATA'"
  if [ "$POSTGRES_DB" != postgres ]; then
    echo "CREATE DATABASE :\"db\"" | PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 -v db="$POSTGRES_DB" -h "$PGDATA" -U "$POSTGRES_USER" -d postgres
  fi
  run_init_files
  pg_ctl -D "$PGDATA" -m fast -w stop
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
  mkdir -p "$PGDATA"
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  from_file POSTGRES_USER
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_DB
  export POSTGRES_USER="${POSTGRES_USER:-postgres}"
  export POSTGRES_DB="${POSTGRES_DB:-$POSTGRES_USER}"
  [ -s "$PGDATA/PG_VERSION" ] || initialise
  shift
  set -- postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
