/*
 * Stands before mingw-w64's ntifs.h in the WDK-shaped folder and declares what that one lacks.
 * Each declaration follows its documentation page:
 *   ExAllocatePool2        https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exallocatepool2
 *   ExGetPreviousMode      https://learn.microsoft.com/windows-hardware/drivers/ddi/wdm/nf-wdm-exgetpreviousmode
 */
#ifndef KSWRITE_NTIFS_H
#define KSWRITE_NTIFS_H

#include <mingw-ddk/ntifs.h>

/* No POOL_FLAG_* constants: wdk-sys has its own, and another set would be ambiguous. */

/* A page of the mapping that the driver does not execute: Windows 8 and later. */
#define MdlMappingNoExecute 0x40000000

NTKERNELAPI PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);

#endif /* KSWRITE_NTIFS_H */
