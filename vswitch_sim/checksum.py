"""The Internet checksum (RFC 1071), and its incremental update (RFC 1624).

A one's complement sum is a sum modulo 65,535, so a whole buffer is summed by one long division of
the integer it spells: 64 KiB take a few tens of microseconds.
"""


def internet_checksum(*parts: bytes | bytearray) -> int:
    """The checksum of the parts laid end to end, 0..0xffff (RFC 1071).

    Every part but the last must have an even length. A checksum over data that includes a right
    checksum is 0.
    """
    total = 0
    for part in parts:
        padded = part + b"\0" if len(part) % 2 else part
        total += int.from_bytes(padded, "big")
    folded = total % 0xFFFF
    if folded == 0 and total:
        folded = 0xFFFF
    return ~folded & 0xFFFF


def updated_checksum(checksum: int, before: bytes, after: bytes) -> int:
    """The checksum after `before` became `after` in the data it covers (RFC 1624, equation 3).

    Both must have the same even length. A checksum that was wrong stays wrong by as much, so
    rewriting a header never hides damage elsewhere.
    """
    total = ~checksum & 0xFFFF
    for place in range(0, len(before), 2):
        total += ~int.from_bytes(before[place : place + 2], "big") & 0xFFFF
        total += int.from_bytes(after[place : place + 2], "big")
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF
