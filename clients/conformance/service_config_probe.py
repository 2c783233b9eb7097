"""Makes one call with grpcio and a service configuration, and prints OK or the name of the code.

    service_config_probe.py ADDRESS CONFIG METHOD MESSAGE_IN_HEX
"""

import sys
from pathlib import Path

import grpc


def main(address: str, config: str, method: str, message: str) -> None:
    options = [("grpc.service_config", Path(config).read_text())]
    with grpc.insecure_channel(address, options=options) as channel:
        call = channel.unary_unary(f"/kindred.v1.KeyValueService/{method}")
        try:
            call(bytes.fromhex(message))
        except grpc.RpcError as error:
            print(error.code().name)
        else:
            print("OK")


main(*sys.argv[1:])
