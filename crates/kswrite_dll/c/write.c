/*
 * kswrite_client.dll from C: a stream, a dynamic channel with its callback, and the functions shaped like
 * WTSVirtualChannel*, each over a sink of the driver.
 *
 *     x86_64-w64-mingw32-gcc -std=c11 -Wall -Wextra -Wpedantic -Werror write.c libkswrite_client.dll.a -luuid -o write_c.exe
 */
#define COBJMACROS
#include "kswrite_client.h"
#include "check.h"
#include "sink.h"
#include <shobjidl.h>
#include <pchannel.h>
#include <wtsapi32.h>
#include <initguid.h> /* MinGW's libuuid lacks the IDs of what follows */
#include <tsvirtualchannels.h>

#define HR(error) HRESULT_FROM_WIN32(error)

static char message[3200];

/* ---- IStreamAsync ---- */

static void stream_write(void)
{
    IStreamAsync *stream = NULL;
    OVERLAPPED overlapped = {0};
    ULONG written = 0;
    char back[sizeof message];

    check_hr("opens", S_OK, KswOpenStream(SINK_BUFFERED, (void **)&stream));
    overlapped.Offset = 4096;
    overlapped.hEvent = CreateEventW(NULL, TRUE, TRUE, NULL);
    HRESULT begun = IStreamAsync_WriteAsync(stream, message, sizeof message, NULL, &overlapped);
    check("the write is over or pending", TRUE, begun == S_OK || begun == HR(ERROR_IO_PENDING));
    check_hr("its result is waited for", S_OK, IStreamAsync_OverlappedResult(stream, &overlapped, &written, TRUE));
    check("it wrote all", sizeof message, written);
    check("its event is set", WAIT_OBJECT_0, WaitForSingleObject(overlapped.hEvent, 0));

    begun = IStreamAsync_ReadAsync(stream, back, sizeof back, NULL, &overlapped);
    check("the read is over or pending", TRUE, begun == S_OK || begun == HR(ERROR_IO_PENDING));
    check_hr("its result is waited for", S_OK, IStreamAsync_OverlappedResult(stream, &overlapped, &written, TRUE));
    check_bytes("it reads what was written", message, back, sizeof message);

    CloseHandle(overlapped.hEvent);
    check("the last Release", 0, IStreamAsync_Release(stream));
}

static void stream_pending(void)
{
    /* A sink that keeps what it is given until it is released. */
    HANDLE sink = sink_open(SINK_DIRECT, 2);
    IStreamAsync *stream = NULL;
    OVERLAPPED overlapped = {0};
    ULONG written = 0;

    check_hr("opens over a handle", S_OK, KswStreamOfHandle(sink, (void **)&stream));
    overlapped.hEvent = CreateEventW(NULL, TRUE, TRUE, NULL);
    check_hr("the write pends", HR(ERROR_IO_PENDING),
             IStreamAsync_WriteAsync(stream, message, sizeof message, NULL, &overlapped));
    check("its event is reset", WAIT_TIMEOUT, WaitForSingleObject(overlapped.hEvent, 0));
    check_hr("it has no result yet", HR(ERROR_IO_INCOMPLETE),
             IStreamAsync_OverlappedResult(stream, &overlapped, &written, FALSE));
    check("the sink has it", 1, sink_release(sink));
    check_hr("its result", S_OK, IStreamAsync_OverlappedResult(stream, &overlapped, &written, TRUE));
    check("it wrote all", sizeof message, written);
    check("its event is set", WAIT_OBJECT_0, WaitForSingleObject(overlapped.hEvent, 0));
    check("the sink has the bytes", sizeof message, sink_state(sink).bytes);

    CloseHandle(overlapped.hEvent);
    check("the last Release", 0, IStreamAsync_Release(stream));
    CloseHandle(sink);
}

static void stream_cancel(void)
{
    HANDLE sink = sink_open(SINK_DIRECT, 2);
    IStreamAsync *stream = NULL;
    OVERLAPPED operations[3];
    ULONG written = 0;
    int pending = 0, cancelled = 0;

    KswStreamOfHandle(sink, (void **)&stream);
    memset(operations, 0, sizeof operations);
    for (int i = 0; i < 3; i++) {
        operations[i].Offset = 100 * i;
        operations[i].hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
        pending += IStreamAsync_WriteAsync(stream, message, 100, NULL, &operations[i]) == HR(ERROR_IO_PENDING);
    }
    check("three writes pend", 3, pending);
    check_hr("CancelIo", S_OK, IStreamAsync_CancelIo(stream));
    for (int i = 0; i < 3; i++) {
        HRESULT ended = IStreamAsync_OverlappedResult(stream, &operations[i], &written, TRUE);
        cancelled += ended == HR(ERROR_OPERATION_ABORTED);
    }
    check("each is cancelled", 3, cancelled);
    check_hr("CancelIo with nothing pending", S_OK, IStreamAsync_CancelIo(stream));

    /* The last Release does the same; the operation is over when its event is set. */
    operations[0].Offset = 0;
    check_hr("one more pends", HR(ERROR_IO_PENDING),
             IStreamAsync_WriteAsync(stream, message, 100, NULL, &operations[0]));
    check("the last Release", 0, IStreamAsync_Release(stream));
    check("its event is set", WAIT_OBJECT_0, WaitForSingleObject(operations[0].hEvent, 10000));
    SINK_STATE state = sink_state(sink);
    check("the sink saw four cancelled", 4, state.cancelled);
    check("and has none left", 0, state.outstanding);

    for (int i = 0; i < 3; i++)
        CloseHandle(operations[i].hEvent);
    CloseHandle(sink);
}

static void stream_identity(void)
{
    IStreamAsync *stream = NULL;
    IStream *plain = NULL;
    IUnknown *first = NULL, *second = NULL;
    void *none = message;

    KswOpenStream(SINK_NEITHER, (void **)&stream);
    check_hr("it is an IStream", S_OK, IStreamAsync_QueryInterface(stream, &IID_IStream, (void **)&plain));
    check_hr("it is an IUnknown", S_OK, IStreamAsync_QueryInterface(stream, &IID_IUnknown, (void **)&first));
    check_hr("and so is its IStream", S_OK, IStream_QueryInterface(plain, &IID_IUnknown, (void **)&second));
    check("the same one", (ULONG_PTR)first, (ULONG_PTR)second);
    check_hr("it is no channel", E_NOINTERFACE, IStreamAsync_QueryInterface(stream, &IID_IWTSVirtualChannel, &none));
    check("and gives NULL", 0, (ULONG_PTR)none);
    check("AddRef", 5, IStreamAsync_AddRef(stream));
    check("Release", 4, IStreamAsync_Release(stream));
    IStream_Release(plain);
    IUnknown_Release(first);
    IUnknown_Release(second);
    check("the last Release", 0, IStreamAsync_Release(stream));
}

static void stream_position(void)
{
    IStreamAsync *stream = NULL;
    IStream *clone = NULL;
    LARGE_INTEGER by = {{0}};
    ULARGE_INTEGER at = {{0}};
    OVERLAPPED overlapped = {0};
    ULONG written = 0;

    KswOpenStream(SINK_BUFFERED, (void **)&stream);
    overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    check_hr("Write", S_OK, IStreamAsync_Write(stream, message, 100, &written));
    check("wrote all", 100, written);
    IStreamAsync_WriteAsync(stream, message, 1000, NULL, &overlapped);
    IStreamAsync_OverlappedResult(stream, &overlapped, &written, TRUE);
    check_hr("Seek", S_OK, IStreamAsync_Seek(stream, by, STREAM_SEEK_CUR, &at));
    check("WriteAsync did not move it", 100, at.QuadPart);
    check_hr("a device has no end", STG_E_INVALIDFUNCTION, IStreamAsync_Seek(stream, by, STREAM_SEEK_END, &at));
    check_hr("Clone", S_OK, IStreamAsync_Clone(stream, &clone));
    check("the last Release", 0, IStreamAsync_Release(stream));
    check_hr("the clone goes on", S_OK, IStream_Write(clone, message, 100, &written));
    check("the last Release of the clone", 0, IStream_Release(clone));
    CloseHandle(overlapped.hEvent);
}

/* ---- IWTSVirtualChannel ---- */

/* A callback object in C: the interface comes first, so that a pointer to it is a pointer to the object. */
typedef struct CALLBACK_OBJECT {
    IWTSVirtualChannelCallback interface_;
    LONG references;
    LONG closes;
    LONG received;
    char last[64];
    IWTSVirtualChannel *answer_on; /* what is received is written back here */
    HRESULT answered;
} CALLBACK_OBJECT;

static HRESULT STDMETHODCALLTYPE callback_query(IWTSVirtualChannelCallback *self, REFIID id, void **given)
{
    if (IsEqualIID(id, &IID_IUnknown) || IsEqualIID(id, &IID_IWTSVirtualChannelCallback)) {
        *given = self;
        IWTSVirtualChannelCallback_AddRef(self);
        return S_OK;
    }
    *given = NULL;
    return E_NOINTERFACE;
}

static ULONG STDMETHODCALLTYPE callback_add_ref(IWTSVirtualChannelCallback *self)
{
    return InterlockedIncrement(&((CALLBACK_OBJECT *)self)->references);
}

static ULONG STDMETHODCALLTYPE callback_release(IWTSVirtualChannelCallback *self)
{
    return InterlockedDecrement(&((CALLBACK_OBJECT *)self)->references);
}

static HRESULT STDMETHODCALLTYPE callback_received(IWTSVirtualChannelCallback *self, ULONG size, BYTE *bytes)
{
    CALLBACK_OBJECT *object = (CALLBACK_OBJECT *)self;
    InterlockedIncrement(&object->received);
    /* The bytes are ours for the time of the call. */
    memcpy(object->last, bytes, size < sizeof object->last ? size : sizeof object->last);
    if (object->answer_on != NULL)
        object->answered = IWTSVirtualChannel_Write(object->answer_on, size, bytes, NULL);
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE callback_closed(IWTSVirtualChannelCallback *self)
{
    InterlockedIncrement(&((CALLBACK_OBJECT *)self)->closes);
    return S_OK;
}

static IWTSVirtualChannelCallbackVtbl callback_methods = {
    callback_query, callback_add_ref, callback_release, callback_received, callback_closed,
};

static CALLBACK_OBJECT new_callback(void)
{
    CALLBACK_OBJECT object;
    memset(&object, 0, sizeof object);
    object.interface_.lpVtbl = &callback_methods;
    object.references = 1;
    return object;
}

static void channel_write(void)
{
    HANDLE sink = sink_open(SINK_DIRECT, 0);
    CALLBACK_OBJECT callback = new_callback();
    IWTSVirtualChannel *channel = NULL;
    KSW_TRAFFIC traffic;
    BYTE bytes[5];
    BYTE wire[13];

    check_hr("opens", S_OK, KswChannelOfHandle(sink, KSW_MEMORY, &callback, (void **)&channel));
    memcpy(bytes, "hello", 5);
    check_hr("Write", S_OK, IWTSVirtualChannel_Write(channel, 5, bytes, NULL));
    /* The message was copied: its memory is free at once. */
    memset(bytes, 0, 5);
    check_hr("all of it is written", S_OK, KswChannelFlush(channel));
    sink_read(sink, 0, wire, sizeof wire);
    check_bytes("as one chunk behind its header", "\5\0\0\0\3\0\0\0hello", wire, sizeof wire);
    check_hr("traffic", S_OK, KswChannelTraffic(channel, &traffic));
    check("one message was sent", 1, traffic.sent);
    check("nothing waits", 0, traffic.messages + traffic.bytes);

    callback.answer_on = channel;
    check_hr("the other end writes", S_OK, KswChannelDeliver(channel, "and back", 8));
    check_bytes("the callback is given it", "and back", callback.last, 8);
    check_hr("and has written it back from within the call", S_OK, callback.answered);
    KswChannelFlush(channel);
    sink_read(sink, 13, wire, sizeof wire);
    check_bytes("which comes behind the first", "\10\0\0\0\3\0\0\0and b", wire, sizeof wire);

    check_hr("Close", S_OK, IWTSVirtualChannel_Close(channel));
    check("OnClose once", 1, callback.closes);
    check("the callback is released", 1, callback.references);
    check_hr("Close again", HR(ERROR_INVALID_STATE), IWTSVirtualChannel_Close(channel));
    check_hr("Write after Close", HR(ERROR_INVALID_STATE), IWTSVirtualChannel_Write(channel, 5, bytes, NULL));
    check("the last Release", 0, IWTSVirtualChannel_Release(channel));
    check("OnClose once all the same", 1, callback.closes);
    CloseHandle(sink);
}

static void channel_bound(void)
{
    /* Room for two messages of 100 bytes with their headers, in front of a sink that takes nothing yet. */
    HANDLE sink = sink_open(SINK_DIRECT, 2);
    CALLBACK_OBJECT callback = new_callback();
    IWTSVirtualChannel *channel = NULL;
    KSW_TRAFFIC traffic;
    BYTE *bytes = (BYTE *)message;

    KswChannelOfHandle(sink, 2 * 108, &callback, (void **)&channel);
    check_hr("the first", S_OK, IWTSVirtualChannel_Write(channel, 100, bytes, NULL));
    check_hr("the second", S_OK, IWTSVirtualChannel_Write(channel, 100, bytes, NULL));
    check_hr("the third finds no room", HR(ERROR_NOT_ENOUGH_QUOTA), IWTSVirtualChannel_Write(channel, 100, bytes, NULL));
    check_hr("one that never has room", HR(ERROR_INVALID_USER_BUFFER),
             IWTSVirtualChannel_Write(channel, 0xFFFFFFFF, bytes, NULL));
    KswChannelTraffic(channel, &traffic);
    check("the bound", 216, traffic.bound);
    check("two wait", 2, traffic.messages);
    check("so many bytes", 216, traffic.bytes);
    check("two were refused", 2, traffic.refused);
    /* The second is given to the sink when the first is over. */
    while (KswChannelTraffic(channel, &traffic) == S_OK && traffic.messages > 0)
        sink_release(sink);
    check_hr("there is room again", S_OK, IWTSVirtualChannel_Write(channel, 100, bytes, NULL));

    check_hr("Close with one pending", S_OK, IWTSVirtualChannel_Close(channel));
    check("OnClose once", 1, callback.closes);
    check_hr("the pending one is over", S_OK, KswChannelFlush(channel));
    KswChannelTraffic(channel, &traffic);
    check("nothing waits", 0, traffic.messages + traffic.bytes);
    check("two were sent", 2, traffic.sent);
    check("one was dropped", 1, traffic.dropped);
    check("two waited at most", 2, traffic.most_messages);
    check("so many bytes at most", 216, traffic.most_bytes);
    check("the last Release", 0, IWTSVirtualChannel_Release(channel));
    check("the callback is released", 1, callback.references);
    check("the sink saw it cancelled", 1, sink_state(sink).cancelled);
    CloseHandle(sink);
}

/* ---- The functions shaped like WTSVirtualChannel* ---- */

static void wts_channel(void)
{
    char name[] = "sound";
    HANDLE *given = NULL;
    DWORD size = 0;
    ULONG count = 0;
    char back[CHANNEL_CHUNK_LENGTH];
    OVERLAPPED overlapped = {0};

    check_call("the device", 0, KswSetChannelDevice(SINK_DIRECT));
    HANDLE channel = KswVirtualChannelOpen(WTS_CURRENT_SERVER_HANDLE, WTS_CURRENT_SESSION, name);
    check_call("opens", 0, channel != NULL);
    check_call("Write", 0, KswVirtualChannelWrite(channel, message, sizeof message, &count));
    check("wrote all", sizeof message, count);
    check_call("Read", 0, KswVirtualChannelRead(channel, 1000, back, sizeof back, &count));
    check("reads a chunk", CHANNEL_CHUNK_LENGTH, count);
    check_bytes("of what was written", message, back, sizeof back);
    check_call("Read of the second", 0, KswVirtualChannelRead(channel, 1000, back, sizeof back, &count));
    check_bytes("which goes on", message + CHANNEL_CHUNK_LENGTH, back, sizeof back);
    check_call("Read when there is no more", ERROR_IO_INCOMPLETE,
               KswVirtualChannelRead(channel, 0, back, sizeof back, &count));

    check_call("Query", 0, KswVirtualChannelQuery(channel, WTSVirtualFileHandle, (void **)&given, &size));
    check("gives a handle", sizeof(HANDLE), size);
    HANDLE file = given == NULL ? NULL : *given;
    KswFreeMemory(given);
    overlapped.Offset = 65536;
    overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    BOOL begun = WriteFile(file, message, 100, NULL, &overlapped);
    check("WriteFile is over or pending", TRUE, begun || GetLastError() == ERROR_IO_PENDING);
    check_call("its result", 0, GetOverlappedResult(file, &overlapped, &count, TRUE));
    check("it wrote all", 100, count);
    CloseHandle(overlapped.hEvent);
    check("the sink has all, with two headers", sizeof message + 2 * 8 + 100, sink_state(file).bytes);

    check_call("PurgeInput", 0, KswVirtualChannelPurgeInput(channel));
    check_call("PurgeOutput", 0, KswVirtualChannelPurgeOutput(channel));
    check_call("Close", 0, KswVirtualChannelClose(channel));
    check_call("Write after Close", ERROR_INVALID_HANDLE, KswVirtualChannelWrite(channel, message, 1, &count));
    check_call("Read after Close", ERROR_INVALID_HANDLE,
               KswVirtualChannelRead(channel, 0, back, sizeof back, &count));
    check_call("Close again", ERROR_INVALID_HANDLE, KswVirtualChannelClose(channel));
    check_call("the file handle went with it", ERROR_INVALID_HANDLE, WriteFile(file, message, 1, &count, &overlapped));
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (char)(i * 31 + (i >> 8));
    check_run("stream_write", stream_write);
    check_run("stream_pending", stream_pending);
    check_run("stream_cancel", stream_cancel);
    check_run("stream_identity", stream_identity);
    check_run("stream_position", stream_position);
    check_run("channel_write", channel_write);
    check_run("channel_bound", channel_bound);
    check_run("wts_channel", wts_channel);
    return check_end();
}
