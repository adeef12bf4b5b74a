#!/bin/sh
# Installs the build into a folder of its own, and nowhere else, and builds another project against it: by find_package and by
# pkg-config, in C and in C++, against the shared and the static library; then runs what came out.
# Arguments: the build folder, the C compiler, the C++ compiler.
set -eu
build=$1 cc=$2 cxx=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ZIPC_BROKER=off

(cd "$work" && cmake --install "$build" --prefix usr > "$work/install.log")

# Nothing lands elsewhere, and every file that names another names the one below this prefix.
sort "$build/install_manifest.txt" > "$work/manifest"
find "$work/usr" ! -type d | sort | diff - "$work/manifest" || { echo "what was installed is not what lies below the prefix"; exit 1; }
if [ -e "$work/usr/bin/zipcd" ]; then
  config=$work/usr/etc/zipc/zipcd.yaml
  grep -qxF "ExecStart=$work/usr/bin/zipcd --config $config" "$work/usr/lib/systemd/system/zipcd.service"
  grep -qF "schema=$work/usr/share/zipc/zipcd.schema.json" "$config"
  test -f "$work/usr/share/zipc/zipcd.schema.json"
  test -f "$work/usr/lib/sysusers.d/zipcd.conf"
  "$work/usr/bin/zipcd" --check-config --config "$config"
  # An administrator's file is kept.
  echo "# mine" > "$config"
  cmake --install "$build" --prefix "$work/usr" >> "$work/install.log"
  [ "$(cat "$config")" = "# mine" ]
fi
echo "nothing lands outside of the prefix"

cmake -S "$here/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" > "$work/configure.log"
cmake --build "$work/build" > "$work/build.log" || { cat "$work/build.log"; exit 1; }
for program in c_shared c_static cpp_shared cpp_static; do
  "$work/build/$program"
  echo "find_package: $program works"
done

pc=$(find "$work/usr" -name libzipc.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(dirname "$PKG_CONFIG_PATH")
flags=$(pkg-config --cflags libzipc)
libs=$(pkg-config --libs libzipc)
# shellcheck disable=SC2086
$cc $flags "$here/consumer/consumer.c" $libs -Wl,-rpath,"$libdir" -o "$work/pc_c"
# shellcheck disable=SC2086
$cxx -std=c++20 $flags "$here/consumer/consumer.cpp" $libs -Wl,-rpath,"$libdir" -o "$work/pc_cpp"
"$work/pc_c" && "$work/pc_cpp"
echo "pkg-config: works"

# Only the API is visible, in both libraries.
others() { nm --defined-only --format=posix "$@" | awk '$2 ~ /^[A-TV-Zuvw]$/ {print $1}' | grep -vE '^(zipc_|_ZNK?4zipc|LIBZIPC_|[^ ]*:$)' || true; }
for library in "$(nm -D --defined-only --format=posix "$libdir"/libzipc.so | awk '{print $1}' | sed 's/@.*//' | grep -vE '^(zipc_|_ZNK?4zipc|LIBZIPC_)' || true)" \
               "$(others -g "$libdir/libzipc.a")"; do
  [ -z "$library" ] || { echo "these names are visible and should not be:"; echo "$library"; exit 1; }
done
echo "only the API is visible"
test -f "$work/usr/include/zipc.h"
