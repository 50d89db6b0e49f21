"""Run requests in one line each."""

import base64
import io
import tarfile
import zipfile

MIB = 1024 * 1024


def b64(data):
    return base64.b64encode(data).decode()


def binary(data, **more):
    """A file or stdin whose bytes are `data`."""
    return {"content": b64(data), "encoding": "base64", **more}


def merged(request, more):
    limits = {**request.get("limits", {}), **more.pop("limits", {})}
    files = {**request.get("files", {}), **more.pop("files", {})}
    request = {**request, **more, "files": files}
    if limits:
        request["limits"] = limits
    return request


def shell(script, **more):
    """Runs a bash script as the one step of a run on the host image."""
    base = {"image": "host", "files": {"main.sh": script}, "steps": [{"name": "run", "command": ["bash", "main.sh"]}]}
    return merged(base, more)


def python(source, **more):
    base = {
        "image": "host",
        "files": {"main.py": source},
        "steps": [{"name": "run", "command": ["/usr/bin/python3", "main.py"]}],
    }
    return merged(base, more)


def command(*argv, **more):
    return merged({"image": "host", "steps": [{"name": "run", "command": list(argv)}]}, more)


def tar(members, compress=""):
    """A tar of {name: bytes | TarInfo | (TarInfo, bytes)} in order; `compress` is "" or "gz"."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compress}", format=tarfile.PAX_FORMAT) as archive:
        for name, member in members.items():
            info, data = member if isinstance(member, tuple) else (member, b"")
            if isinstance(member, bytes):
                info, data = tarfile.TarInfo(name), member
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def member(name, kind=tarfile.REGTYPE, target="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def multipart(parts, boundary="kiln-boundary"):
    """A multipart/form-data body of (name, content type, bytes) and its content type."""
    body = b""
    for name, kind, data in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def output(result, stream="stdout", step=-1):
    """The bytes of a stream of a step."""
    text = result["steps"][step][stream]
    if result["steps"][step][f"{stream}_encoding"] == "base64":
        return base64.b64decode(text, validate=True)
    return text.encode()


def text(result, step=-1):
    """stdout of a step that must have ended well."""
    assert result["steps"][step]["outcome"] == "ok", result["steps"][step]
    return output(result, "stdout", step).decode()


def file_bytes(entry):
    if entry["encoding"] == "base64":
        return base64.b64decode(entry["content"], validate=True)
    return entry["content"].encode()


def c_program(source, **more):
    """Compiles with room enough and runs with the limits given, which are the run step's alone."""
    limits = more.pop("limits", {})
    compile_step = {
        "name": "compile",
        "command": ["gcc", "-O1", "-w", "-pthread", "-o", "main", "main.c"],
        "limits": {"wall_ms": 30000, "cpu_ms": 30000, "memory_bytes": 512 * MIB},
    }
    run_step = {"name": "run", "command": ["./main"], "limits": limits}
    return merged({"image": "host", "files": {"main.c": source}, "steps": [compile_step, run_step]}, more)
