"""Mask values of an event by path: remove, mask, hash or encrypt them.

    masks = Masks([{"path": "$.data.customer.email", "action": "hash"}])
    masked = masks.apply(event, keys)

PURE: the keys are passed in. The paths are those of input transformers; ``*`` stands for all members or items.

    masks.py     Masks: compile once, apply often
    values.py    write a value as a keyed hash, or encrypted as a JSON Web Encryption
"""

from webhooks.wire.masking.masks import CannotMask, InvalidMask, Masks
from webhooks.wire.masking.values import MaskingKeys

__all__ = ["CannotMask", "InvalidMask", "MaskingKeys", "Masks"]
