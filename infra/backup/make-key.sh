#!/bin/sh
# Makes the pair that backups are encrypted with, on a machine that is NOT the server:
#
#   sh infra/backup/make-key.sh <folder>
#
# backup.crt goes to the server. backup.key opens every backup: keep it apart, twice, and off the server.
set -eu
folder=${1:?give a folder for the pair}
umask 077
mkdir -p "$folder"
[ ! -e "$folder/backup.key" ] || {
  echo "$folder/backup.key exists, and earlier backups need it; give another folder" >&2
  exit 1
}
openssl req -x509 -newkey rsa:4096 -sha256 -nodes -days 36500 -subj /CN=stackyard-backup \
  -keyout "$folder/backup.key" -out "$folder/backup.crt" 2>/dev/null
chmod 644 "$folder/backup.crt"
echo "$folder/backup.crt goes to the server; $folder/backup.key must not"
