/*
 * kswrite_client.dll: write to a device through IStreamAsync, IWTSVirtualChannel, or functions shaped like
 * WTSVirtualChannel*. Made from the Rust sources by cbindgen; do not edit.
 *
 * The interfaces themselves are declared in shobjidl.h and tsvirtualchannels.h. All functions may be called by any thread.
 *
 * Define KSWRITE_REPLACE_WTSAPI to have WTSVirtualChannelOpen and its sisters mean the functions here.
 *
 * To link, with MinGW:
 *     x86_64-w64-mingw32-gcc program.c libkswrite_client.dll.a -luuid
 * with MSVC, once, from the names that the library exports (dumpbin /exports kswrite_client.dll), one in a line below
 * the word EXPORTS in kswrite_client.def:
 *     lib /def:kswrite_client.def /machine:x64
 *     cl program.c kswrite_client.lib uuid.lib
 * or without any: LoadLibraryA and GetProcAddress.
 */

#ifndef KSWRITE_CLIENT_H
#define KSWRITE_CLIENT_H

#include <windows.h>

/**
 * The bound of a channel that may take as much memory as there is.
 */
#define KSW_MEMORY 0

/**
 * What of a channel is on its way, and what was.
 */
typedef struct KSW_TRAFFIC {
  /**
   * Bytes that may wait; `KSW_MEMORY` if there is no bound.
   */
  ULONGLONG bound;
  /**
   * Messages that wait or are being written.
   */
  ULONGLONG messages;
  /**
   * Their bytes, headers included.
   */
  ULONGLONG bytes;
  /**
   * The most messages there ever were.
   */
  ULONGLONG most_messages;
  /**
   * The most bytes there ever were.
   */
  ULONGLONG most_bytes;
  /**
   * Messages that were written.
   */
  ULONGLONG sent;
  /**
   * Messages that the channel took and did not write: it was closed, or the device failed.
   */
  ULONGLONG dropped;
  /**
   * Messages that were refused.
   */
  ULONGLONG refused;
} KSW_TRAFFIC;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a device or an existing file for reading and writing, and hands out an `IStreamAsync` over it.
 *
 * `stream` is set to NULL if there is none.
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
 * Hands out an `IStreamAsync` over a file or device that is open already.
 *
 * The handle was opened with `FILE_FLAG_OVERLAPPED`. It is duplicated: the caller closes its own when it likes.
 *
 * # Returns
 *
 * `E_POINTER`: NULL. `E_HANDLE`: no handle. Otherwise the error of DuplicateHandle.
 *
 * # Safety
 *
 * `stream` is NULL or a variable of the caller; nobody closes the handle during the call.
 */
HRESULT KswStreamOfHandle(HANDLE file,
                          PVOID *stream);

/**
 * Opens a device or an existing file for reading and writing, and hands out an `IWTSVirtualChannel` over it, of which
 * `callback` is told.
 *
 * `bound` is how many bytes may wait, headers included: each 1600 bytes of a message have one of 8. `KSW_MEMORY` sets
 * no bound.
 *
 * # Returns
 *
 * As `KswOpenStream`; also `E_POINTER` for a misaligned `callback`.
 *
 * # Safety
 *
 * As `KswOpenStream`; `callback` is NULL or an `IWTSVirtualChannelCallback` that any thread may call.
 */
HRESULT KswOpenChannel(LPCWSTR path,
                       ULONGLONG bound,
                       PVOID callback,
                       PVOID *channel);

/**
 * Hands out an `IWTSVirtualChannel` over a file or device that is open already; otherwise as `KswOpenChannel`.
 *
 * The handle was opened with `FILE_FLAG_OVERLAPPED` and belongs to no completion port; from now on it belongs to the
 * channel's. It is duplicated: the caller closes its own when it likes.
 *
 * # Returns
 *
 * As `KswStreamOfHandle`; also the error of CreateIoCompletionPort.
 *
 * # Safety
 *
 * As `KswStreamOfHandle`; `callback` as in `KswOpenChannel`. What the caller begins on the handle itself has an
 * event whose lowest bit is set, by which the system keeps a completion away from the port.
 */
HRESULT KswChannelOfHandle(HANDLE file,
                           ULONGLONG bound,
                           PVOID callback,
                           PVOID *channel);

/**
 * How much of a channel waits, how much waited at most, and how much may.
 *
 * # Returns
 *
 * `E_POINTER`: NULL or misaligned. `E_NOINTERFACE`: not a channel of this library.
 *
 * # Safety
 *
 * `channel` is NULL or an interface of any object; `traffic` is NULL or a variable of the caller.
 */
HRESULT KswChannelTraffic(PVOID channel, struct KSW_TRAFFIC *traffic);

/**
 * Waits until no message of a channel is on its way. Not to be called by its callback.
 *
 * # Returns
 *
 * As `KswChannelTraffic`; the error of the device if it failed, which has closed the channel.
 *
 * # Safety
 *
 * `channel` is NULL or an interface of any object.
 */
HRESULT KswChannelFlush(PVOID channel);

/**
 * Plays the other end of a channel: gives its callback a message, in the thread of the caller.
 *
 * # Returns
 *
 * As `KswChannelTraffic`; `HRESULT_FROM_WIN32(ERROR_INVALID_STATE)`: the channel is closed.
 *
 * # Safety
 *
 * `channel` is NULL or an interface of any object; `length` bytes at `message` are readable.
 */
HRESULT KswChannelDeliver(PVOID channel, LPCVOID message, ULONG length);

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
 * device as they are. The handle must not be closed; what is returned is given back to `KswFreeMemory`.
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
 * WTSFreeMemory, for what `KswVirtualChannelQuery` gave; anything else is left alone.
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
