# shellcheck shell=bash
# Sourced by ./run and ./test in the checkout: hands over to Debian's Python, after
# installing it where it is missing.

exec_python() {
  local module=$1
  shift
  if ! [ -x /usr/bin/python3 ]; then
    install_python || exit 1
  fi
  if ! /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Parley needs Python 3.11 or newer as /usr/bin/python3: use Debian 12 or newer." >&2
    exit 1
  fi
  PYTHONPATH=$PWD/scripts PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 -m "$module" "$@"
}

install_python() {
  if ! command -v apt-get >/dev/null; then
    echo "Python 3 is missing and this is no Debian system: install python3, then try again." >&2
    return 1
  fi
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Python 3 is missing: install it as root with apt-get install python3." >&2
      return 1
    fi
    sudo=(sudo)
  fi
  echo "Installing Python 3 …"
  if ! { "${sudo[@]}" apt-get -qq update &&
    "${sudo[@]}" apt-get -qq install -y --no-install-recommends python3; } >/dev/null; then
    echo "Python 3 could not be installed: check the network connection, then try again." >&2
    return 1
  fi
}
