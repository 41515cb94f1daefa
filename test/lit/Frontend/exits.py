"""Runs a command and fails unless it exits with a given code: exits.py CODE COMMAND…"""
import subprocess
import sys

found = subprocess.run(sys.argv[2:], check=False).returncode
if found != int(sys.argv[1]):
    sys.exit(f"exit code {found}, expected {sys.argv[1]}")
