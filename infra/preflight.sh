#!/bin/sh
# Ends with 1, and one line for each of them, when a secret is empty, short, or known from the development files.
# Every variable SECRET_<NAME> is one; SECRET_HEX_<NAME> has to be 64 hexadecimal digits too. Prints no value.
set -eu

known=' postgres password secret changeme admin root example development
 0000000000000000000000000000000000000000000000000000000000000000 '
# only: ingestion
known="$known ingestion ingestion-secret "
# /only
# only: convex
known="$known convex 4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974 "
# /only

faults=0
fault() {
  printf 'refused: %s %s\n' "$1" "$2" >&2
  faults=$((faults + 1))
}

for variable in $(env | sed -n 's/^\(SECRET_[A-Z0-9_]*\)=.*/\1/p' | sort); do
  eval "value=\$$variable"
  name=${variable#SECRET_}
  name=${name#HEX_}
  lower=$(printf '%s' "$value" | tr '[:upper:]' '[:lower:]')
  if [ -z "$value" ]; then
    fault "$name" 'is empty'
  elif printf '%s' "$known" | tr -s ' \n' '\n\n' | grep -qxF -- "$lower"; then
    fault "$name" 'is a value that the development files use; anybody knows it'
  elif [ "${#value}" -lt 16 ]; then
    fault "$name" 'is shorter than 16 characters'
  elif [ "${variable#SECRET_HEX_}" != "$variable" ] && ! printf '%s' "$value" | grep -Eqx '[0-9A-Fa-f]{64}'; then
    fault "$name" 'is not 64 hexadecimal digits'
  fi
done

if [ "$faults" -gt 0 ]; then
  echo 'next: make each with "openssl rand -hex 32", put them into the env file, start again' >&2
  exit 1
fi
echo 'no secret is empty, short or publicly known'
