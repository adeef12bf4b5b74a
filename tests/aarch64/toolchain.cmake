# Compiles for Linux on aarch64 with Debian's cross compiler (g++-aarch64-linux-gnu), and runs what it compiled under qemu
# (qemu-user-static). The preset aarch64 uses it; tests/aarch64/run does all.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# -L: where the dynamic linker and the libraries are.
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64-static;-L;/usr/aarch64-linux-gnu")

# Of this machine's headers only Boost's, which are the same everywhere: /usr/include itself has those of its own libc.
set(_include "${CMAKE_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${_include}")
if(EXISTS /usr/include/boost)
  file(CREATE_LINK /usr/include/boost "${_include}/boost" SYMBOLIC)
endif()
set(Boost_NO_BOOST_CMAKE ON)
set(Boost_INCLUDE_DIR "${_include}" CACHE PATH "")

# Debian's GoogleTest is compiled for this machine. Its sources (package googletest) are compiled along.
set(ZIPC_GOOGLETEST_SOURCE /usr/src/googletest CACHE PATH "")
