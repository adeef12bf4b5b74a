"""What the README and the headers give as examples is compiled, in the surroundings that it takes for granted.

Arguments: the source folder, the C compiler, the C++ compiler.
"""
import os
import re
import subprocess
import sys
import unittest

ROOT, C_COMPILER, CPP_COMPILER = sys.argv[1:]
del sys.argv[1:]

C_SURROUNDINGS = """
#include <stdio.h>
#include <zipc.h>
void complain(const char *sentence);
void use(const uint8_t *message, uint32_t size);
void example(const uint8_t *data, size_t length);
void example(const uint8_t *data, size_t length) {
%s
}
"""

CPP_SURROUNDINGS = """
#include <span>
#include <string>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <zipc/asio.hpp>
#include <zipc/zipc.hpp>
void complain(const std::string& sentence);
void use(std::span<const std::byte> bytes);
"""


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of("README.md"), re.M | re.S)


def head_example(*path):
    """The indented lines of the comment that a C++ header opens with, up to its first paragraph with a title."""
    return "".join(re.findall(r"^///     (.*\n)", text_of(*path).split("/// *")[0], re.M))


def functions(bodies):
    for number, body in enumerate(bodies):
        result = "boost::asio::awaitable<void>" if "co_await" in body else "void"
        yield f"{result} example_{number}(boost::asio::io_context& io, std::span<const std::byte> bytes) {{\n{body}}}\n"


class DocumentedCode(unittest.TestCase):
    def compile(self, program, *arguments):
        includes = [f"-I{os.path.join(ROOT, folder)}" for folder in ("client", "common")]
        done = subprocess.run([*arguments, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *includes, "-"], input=program,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + program)

    def test_the_c_of_the_readme_compiles(self):
        code = blocks("c")
        self.assertGreaterEqual(len(code), 2)
        self.compile(C_SURROUNDINGS % "".join(code), C_COMPILER, "-std=c11", "-Wno-unused-variable", "-xc")  # fd, for poll()

    def test_the_cpp_of_the_readme_and_of_the_headers_compiles(self):
        code = blocks("cpp")
        self.assertGreaterEqual(len(code), 2)
        code += [head_example("client", "zipc", header) for header in ("zipc.hpp", "asio.hpp")]
        self.compile(CPP_SURROUNDINGS + "".join(functions(code)), CPP_COMPILER, "-std=c++20", "-Wno-unused-parameter", "-xc++")


if __name__ == "__main__":
    unittest.main()
