#!/bin/sh
# As in the official image: the command is `redis-server` with its options, options alone, or any other program.
case "${1:-}" in
  redis-server) shift ;;
  -* | '') ;;
  *) exec "$@" ;;
esac
exec redis-server --bind 0.0.0.0 --protected-mode no --daemonize no --logfile '' "$@"
