#!/bin/sh
exec "$ANYBIT_TEST_PYTHON" -I -S "$@"
