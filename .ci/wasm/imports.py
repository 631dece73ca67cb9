"""Fails when a WebAssembly module asks anything of its host: usage `imports.py FILE.wasm`."""

import sys

IMPORTS, KINDS = 2, ("function", "table", "memory", "global", "tag")


def leb128(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at `at`, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def sections(data: bytes):
    """Each section's id and body."""
    if data[:4] != b"\0asm":
        sys.exit("not a WebAssembly module")
    at = 8
    while at < len(data):
        kind = data[at]
        size, at = leb128(data, at + 1)
        yield kind, data[at : at + size]
        at += size


def text(data: bytes, at: int) -> tuple[str, int]:
    size, at = leb128(data, at)
    return data[at : at + size].decode(), at + size


def main(path: str) -> None:
    with open(path, "rb") as file:
        parts = list(sections(file.read()))
    code = sum(len(body) for kind, body in parts if kind == 10)
    if code < 100_000:
        sys.exit(f"{path} has {code} bytes of code: the core is not in it, so this shows nothing")
    for body in (body for kind, body in parts if kind == IMPORTS):
        count, at = leb128(body, 0)
        if count:
            module, at = text(body, at)
            name, at = text(body, at)
            sys.exit(f"{count} imports; the first is the {KINDS[body[at]]} {module}.{name}")
    print(f"{code} bytes of code, no imports")


main(sys.argv[1])
