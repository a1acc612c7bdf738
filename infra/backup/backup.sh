#!/bin/sh
# Backups of every database of a PostgreSQL server, in the container "backup" of infra/compose.production.yaml.
#
#   backup.sh daemon          one now, then one every BACKUP_EVERY_HOURS
#   backup.sh once            one now
#   backup.sh age             ends with 1 when the last good backup is older than BACKUP_MAX_AGE_HOURS
#   backup.sh open KEY FILE   decrypts a backup to standard output, where the key is; then: pg_restore
#
# A dump is encrypted and restored into a scratch database as it comes, and never lies on a disk in plain. It gets its
# name once the restored tables have as many rows as the original had in the same snapshot. Connections come from
# PGHOST, PGUSER and PGPASSWORD.
set -eu
umask 077
folder=${BACKUP_FOLDER:-/backups}
certificate=${BACKUP_CERTIFICATE_FILE:-/stackyard/backup.crt}
scratch=stackyard_restore_check
# Says nothing about a scratch database that is not there.
export PGOPTIONS='-c client_min_messages=warning'

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }
ask() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }

# Rows of every table, one "schema.table rows" a line; the migrations' own table among them.
count_rows="SELECT n.nspname || '.' || c.relname || ' ' || (xpath('/row/c/text()', query_to_xml(
    format('SELECT count(*) AS c FROM %I.%I', n.nspname, c.relname), false, true, '')))[1]
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
  ORDER BY 1"

# Dump and row counts see one snapshot: a session exports it and stays open until both are done.
dump() {
  database=$1 work=$2 part=$3
  mkfifo "$work/commands" "$work/answers"
  psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$database" <"$work/commands" >"$work/answers" &
  session=$!
  exec 3>"$work/commands" 4<"$work/answers"
  echo "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();" >&3
  read -r snapshot <&4
  seal_and_restore
  echo "$count_rows; SELECT 'end';" >&3
  while read -r line <&4 && [ "$line" != end ]; do echo "$line"; done >"$work/rows"
  echo 'COMMIT;' >&3
  exec 3>&- 4<&-
  wait "$session"
  rm -f "$work/commands" "$work/answers"
}

# One pass of pg_dump feeds both. Whoever fails leaves a note: a pipe tells of its last command only.
seal_and_restore() {
  dropdb --if-exists --force "$scratch"
  createdb -T template0 "$scratch"
  mkfifo "$work/stream"
  { seal "$part" <"$work/stream" || echo 'the encryption failed' >>"$work/failed"; } &
  sealing=$!
  { pg_dump -Fc --snapshot="$snapshot" -d "$database" || echo 'pg_dump failed' >>"$work/failed"; } |
    tee "$work/stream" |
    { pg_restore --exit-on-error --no-owner --no-privileges -d "$scratch" || {
      echo 'it cannot be restored' >>"$work/failed"
      cat >/dev/null
    }; }
  wait "$sealing"
  rm -f "$work/stream"
  if [ -s "$work/failed" ]; then
    say "$database: $(tr '\n' ';' <"$work/failed")"
    return 1
  fi
}

same_rows() {
  ask "$scratch" "$count_rows" >"$work/restored"
  cmp -s "$work/rows" "$work/restored" || {
    say "$database: the restored tables differ from the original:"
    diff "$work/rows" "$work/restored" || true
    return 1
  }
}

once() {
  stamp=$(date -u +%Y%m%dT%H%M%SZ)
  rm -f "$folder"/*.part
  work=$(mktemp -d)
  trap 'rm -rf "$work" "$folder"/*.part; dropdb --if-exists --force "$scratch"' EXIT
  trap 'exit 1' INT TERM
  for database in $(ask postgres "SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname NOT IN ('postgres', '$scratch') ORDER BY 1"); do
    target=$folder/$stamp-$database
    dump "$database" "$work" "$target.dump.cms.part"
    same_rows
    seal "$target.rows.cms" <"$work/rows"
    mv "$target.dump.cms.part" "$target.dump.cms"
    say "$database: $(wc -c <"$target.dump.cms") bytes, $(wc -l <"$work/rows") tables, restored and compared"
  done
  pg_dumpall --globals-only -f "$work/globals"
  seal "$folder/$stamp-globals.sql.cms" <"$work/globals"
  date +%s >"$folder/.last-good.new"
  mv "$folder/.last-good.new" "$folder/last-good"
  find "$folder" -maxdepth 1 -name '*.cms' -mtime "+${BACKUP_KEEP_DAYS:-14}" -delete
}

seal() {
  openssl cms -encrypt -binary -stream -aes-256-gcm -outform DER -out "$1" "$certificate"
}

case ${1:-} in
  daemon)
    # Ended by the container's stop, also in the middle of a wait.
    trap 'kill $! 2>/dev/null; wait; exit 0' TERM INT
    while :; do
      sh "$0" once &
      wait $! || say 'this backup is NOT good; the one before stays'
      sleep $((${BACKUP_EVERY_HOURS:-24} * 3600)) &
      wait $!
    done
    ;;
  once) once ;;
  age)
    last=$(cat "$folder/last-good" 2>/dev/null || echo 0)
    hours=$((($(date +%s) - last) / 3600))
    [ "$hours" -lt "${BACKUP_MAX_AGE_HOURS:-30}" ] || {
      echo "the last good backup is $hours hours old" >&2
      exit 1
    }
    ;;
  open) openssl cms -decrypt -binary -inform DER -inkey "${2:?the key}" -in "${3:?the backup}" ;;
  *)
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
