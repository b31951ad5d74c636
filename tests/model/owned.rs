//! Writes whose IRP the driver completes: tokens, MDLs, time limits, offsets, batches.
