"""The plugin that buf needs for gRPC stubs: hands the request on to the protoc inside grpcio-tools.

grpcio-tools has this generator built into its protoc, and nothing that speaks the plugin protocol.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.binpb")
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        out = Path(folder, "out")
        out.mkdir()
        arguments = [f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}"]
        if protoc.main(["protoc", *arguments, *request.file_to_generate]) != 0:
            return CodeGeneratorResponse(error="grpc_tools.protoc failed, see above")
        return CodeGeneratorResponse(
            file=[
                CodeGeneratorResponse.File(name=str(path.relative_to(out)), content=path.read_text())
                for path in sorted(out.rglob("*.py"))
            ]
        )


def main() -> None:
    request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(request).SerializeToString())


if __name__ == "__main__":
    main()
