#!/bin/sh
# Stands for Python: prints what it is given and exits with 7.
echo "options: $1 $2"
echo "package: $4"
shift 4
printf 'argument: %s\n' "$@"
exit 7
