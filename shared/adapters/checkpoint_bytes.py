"""Checkpoints from and to bytes, in a thread where that takes a while: those of thousands of resources do."""

import asyncio
from typing import Final

from shared.domain.checkpoints import Checkpoint, Family, decode, encode

_SHORT: Final = 20_000  # bytes, which are read in less than a millisecond


async def read(family: Family, stored: bytes) -> Checkpoint:
    """What `written` has made bytes of; raises ValueError for anything else."""
    return decode(family, stored) if len(stored) < _SHORT else await asyncio.to_thread(decode, family, stored)


async def written(family: Family, checkpoint: Checkpoint) -> bytes:
    """The bytes to store: seldom any, for most polls find nothing new."""
    return await asyncio.to_thread(encode, family, checkpoint)
