"""Small shared libraries, compiled by the host's C compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path


def compile_library(path: Path, source: str) -> Path:
    """C source text -> a shared library at `path`."""
    code = path.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, code], check=True)
    return path


def named_plugin_library(path: Path, tensorrt_major: int, content: str = "", sources: str | None = None) -> Path:
    """A library that says it is a plugin library for a major version of TensorRT, and has no plugins.

    content: makes its bytes differ from those of another. sources: their version; None: it does not say.
    """
    version = f'char const *yolact_plugins_source_version(void) {{ return "{sources}"; }}\n' if sources else ""
    return compile_library(
        path,
        f"int yolact_plugins_tensorrt_major(void) {{ return {tensorrt_major}; }}\n{version}"
        "void *getCreators(int *count) { *count = 0; return 0; }\n"
        f'void setLoggerFinder(void *finder) {{ (void)finder; }}\nchar const content[] = "{content}";\n',
    )
