/*
 * kswrite_client.dll: write to a device through IStreamAsync, IWTSVirtualChannel, or functions shaped like
 * WTSVirtualChannel*. Made from the Rust sources by cbindgen; do not edit.
 *
 * Define KSWRITE_REPLACE_WTSAPI to have WTSVirtualChannelOpen and its sisters mean the functions here.
 */

#ifndef KSWRITE_CLIENT_H
#define KSWRITE_CLIENT_H

#include <windows.h>

/**
 * The bound of a channel that may take as much memory as there is.
 */
#define KSW_MEMORY 0

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a device or an existing file, and hands out an `IStreamAsync` over it.
 *
 * # Returns
 *
 * `E_POINTER`: NULL. `E_INVALIDARG`: the path has no end or is no UTF-16. Otherwise the error of CreateFile.
 *
 * # Safety
 *
 * `path` is NULL or ends with a zero; `stream` is NULL or a variable of the caller.
 */
HRESULT KswOpenStream(LPCWSTR path,
                      PVOID *stream);

/**
 * Opens a device or an existing file, and hands out an `IWTSVirtualChannel` over it, of which `callback` is told.
 *
 * `bound` is how many bytes may wait, headers included; [`KSW_MEMORY`] sets no bound.
 *
 * # Returns
 *
 * As [`KswOpenStream`].
 *
 * # Safety
 *
 * As [`KswOpenStream`]; `callback` is NULL or an `IWTSVirtualChannelCallback` that any thread may call.
 */
HRESULT KswOpenChannel(LPCWSTR path,
                       ULONGLONG bound,
                       PVOID callback,
                       PVOID *channel);

/**
 * Says which device the channels that are opened from now on write to. At first it is the sink `\\.\KsSinkDirect`.
 *
 * Returns FALSE with `ERROR_INVALID_PARAMETER`: NULL, or no text.
 *
 * # Safety
 *
 * `path` is NULL or ends with a zero.
 */
BOOL KswSetChannelDevice(LPCWSTR path);

/**
 * WTSVirtualChannelOpen: a static channel. The server must be the current one, NULL.
 *
 * # Safety
 *
 * `name` is NULL or ends with a zero.
 */
HANDLE KswVirtualChannelOpen(HANDLE server, DWORD session, LPSTR name);

/**
 * WTSVirtualChannelOpenEx: a static channel, or a dynamic one by its flag.
 *
 * # Safety
 *
 * `name` is NULL or ends with a zero.
 */
HANDLE KswVirtualChannelOpenEx(DWORD session, LPSTR name, DWORD flags);

/**
 * WTSVirtualChannelWrite: one message.
 *
 * # Safety
 *
 * `length` bytes at `buffer` are readable; `written` is a variable of the caller.
 */
BOOL KswVirtualChannelWrite(HANDLE channel, PCHAR buffer, ULONG length, PULONG written);

/**
 * WTSVirtualChannelRead: one chunk. FALSE with `ERROR_IO_INCOMPLETE` if none comes within `timeout` milliseconds.
 *
 * # Safety
 *
 * `size` bytes at `buffer` are writable; `read` is a variable of the caller.
 */
BOOL KswVirtualChannelRead(HANDLE channel,
                           ULONG timeout,
                           PCHAR buffer,
                           ULONG size,
                           PULONG read);

/**
 * WTSVirtualChannelQuery: the file handle of the channel, for overlapped writes of the caller's own, which go to the
 * device as they are. The handle must not be closed; what is returned is given back to [`KswFreeMemory`].
 *
 * # Safety
 *
 * `buffer` and `size` are variables of the caller.
 */
BOOL KswVirtualChannelQuery(HANDLE channel,
                            INT kind,
                            PVOID *buffer,
                            DWORD *size);

/**
 * WTSFreeMemory, for what [`KswVirtualChannelQuery`] gave; anything else is left alone.
 */
void KswFreeMemory(PVOID memory);

/**
 * WTSVirtualChannelClose. The file handle goes with it, and what is pending on it is cancelled.
 */
BOOL KswVirtualChannelClose(HANDLE channel);

/**
 * WTSVirtualChannelPurgeInput. As in the original, nothing is purged.
 */
BOOL KswVirtualChannelPurgeInput(HANDLE channel);

/**
 * WTSVirtualChannelPurgeOutput. As in the original, nothing is purged.
 */
BOOL KswVirtualChannelPurgeOutput(HANDLE channel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KSWRITE_CLIENT_H */

#ifdef KSWRITE_REPLACE_WTSAPI
#define WTSVirtualChannelOpen KswVirtualChannelOpen
#define WTSVirtualChannelOpenEx KswVirtualChannelOpenEx
#define WTSVirtualChannelWrite KswVirtualChannelWrite
#define WTSVirtualChannelRead KswVirtualChannelRead
#define WTSVirtualChannelQuery KswVirtualChannelQuery
#define WTSVirtualChannelClose KswVirtualChannelClose
#define WTSVirtualChannelPurgeInput KswVirtualChannelPurgeInput
#define WTSVirtualChannelPurgeOutput KswVirtualChannelPurgeOutput
#define WTSFreeMemory KswFreeMemory
#endif
