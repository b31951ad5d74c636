// What kswrite_client.dll says to a program that makes mistakes: the documented error, no crash, nothing left behind.
//
//     x86_64-w64-mingw32-g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -static bad_input.cpp libkswrite_client.dll.a -luuid -o bad_input.exe
#include "kswrite_client.h"

#include <string>

#include "objects.hpp"
#include <wtsapi32.h>

#define HR(error) HRESULT_FROM_WIN32(error)

namespace {

// NTSTATUS values of a device whose other end is gone, and what WriteFile makes of it.
constexpr INT32 PIPE_BROKEN = static_cast<INT32>(0xC000014B);

BYTE bytes[4096];

// An address that no object has, for its type wants another alignment.
template <class T> T *misaligned(T *place)
{
    return reinterpret_cast<T *>(reinterpret_cast<ULONG_PTR>(place) + 1);
}

void stream_open()
{
    void *stream = bytes;
    void *room[2] = {};

    check_hr("no path", E_POINTER, KswOpenStream(nullptr, &stream));
    check("gives NULL", 0, reinterpret_cast<ULONG_PTR>(stream));
    check_hr("nowhere to put it", E_POINTER, KswOpenStream(SINK_DIRECT, nullptr));
    check_hr("to a misaligned place", E_POINTER, KswOpenStream(SINK_DIRECT, misaligned(room)));
    check("nothing is put there", 0, reinterpret_cast<ULONG_PTR>(room[0]) | reinterpret_cast<ULONG_PTR>(room[1]));
    check_hr("no such device", HR(ERROR_FILE_NOT_FOUND), KswOpenStream(L"\\\\.\\KsSinkNone", &stream));
    const wchar_t half[] = {0xD800, 0};
    check_hr("a path that is no UTF-16", E_INVALIDARG, KswOpenStream(half, &stream));
    check_hr("an empty path", HR(ERROR_PATH_NOT_FOUND), KswOpenStream(L"", &stream));
    std::wstring endless(40000, L'x');
    check_hr("a path without an end", E_INVALIDARG, KswOpenStream(endless.c_str(), &stream));
    check_hr("no handle", E_HANDLE, KswStreamOfHandle(nullptr, &stream));
    check_hr("INVALID_HANDLE_VALUE", E_HANDLE, KswStreamOfHandle(INVALID_HANDLE_VALUE, &stream));
    check_hr("a number that is no handle", E_HANDLE,
             KswStreamOfHandle(reinterpret_cast<HANDLE>(ULONG_PTR{0xDEAD00}), &stream));
    check("gives NULL", 0, reinterpret_cast<ULONG_PTR>(stream));
}

void stream_arguments()
{
    Handle sink(sink_open(SINK_DIRECT, 0));
    Com<IStreamAsync> stream;
    Operation operation;
    ULONG count = 77;
    ULONG counts[2] = {};

    check_hr("opens", S_OK, KswStreamOfHandle(sink.get(), stream.put()));
    check_hr("no buffer", E_POINTER, stream->WriteAsync(nullptr, 10, &count, &operation));
    check_hr("no buffer to read to", E_POINTER, stream->ReadAsync(nullptr, 10, &count, &operation));
    check_hr("no OVERLAPPED", E_INVALIDARG, stream->WriteAsync(bytes, 10, &count, nullptr));
    OVERLAPPED two[2] = {};
    check_hr("a misaligned OVERLAPPED", E_INVALIDARG, stream->WriteAsync(bytes, 10, &count, misaligned(two)));
    check_hr("a misaligned count", E_INVALIDARG, stream->WriteAsync(bytes, 10, misaligned(counts), &operation));
    check_hr("a result before there was an operation", E_INVALIDARG,
             stream->OverlappedResult(&operation, &count, TRUE));
    check_hr("a result without an OVERLAPPED", E_INVALIDARG, stream->OverlappedResult(nullptr, &count, TRUE));
    check("nothing was written", 0, sink_state(sink.get()).writes);

    HRESULT begun = stream->WriteAsync(nullptr, 0, nullptr, &operation);
    check("zero bytes are a write", TRUE, begun == S_OK || begun == HR(ERROR_IO_PENDING));
    check_hr("its result without a count", E_POINTER, stream->OverlappedResult(&operation, nullptr, TRUE));
    check_hr("to a misaligned count", E_POINTER, stream->OverlappedResult(&operation, misaligned(counts), TRUE));
    check_hr("its result", S_OK, stream->OverlappedResult(&operation, &count, TRUE));
    check("of zero bytes", 0, count);
    check("the sink saw it", 1, sink_state(sink.get()).writes);
    Operation other;
    check_hr("the result of another OVERLAPPED", E_INVALIDARG, stream->OverlappedResult(&other, &count, TRUE));

    check_hr("Write of nothing", STG_E_INVALIDPOINTER, stream->Write(nullptr, 10, &count));
    check_hr("Read to nowhere", STG_E_INVALIDPOINTER, stream->Read(nullptr, 10, &count));
    check_hr("Stat to nowhere", STG_E_INVALIDPOINTER, stream->Stat(nullptr, STATFLAG_NONAME));
    check_hr("CopyTo nowhere", STG_E_INVALIDPOINTER, stream->CopyTo(nullptr, {}, nullptr, nullptr));
    check_hr("Seek before the beginning", STG_E_INVALIDFUNCTION, stream->Seek({{0, -1}}, STREAM_SEEK_SET, nullptr));
    check_hr("Seek from somewhere", STG_E_INVALIDFUNCTION, stream->Seek({}, 99, nullptr));
    check_hr("QueryInterface to nowhere", E_POINTER, stream->QueryInterface(__uuidof(IUnknown), nullptr));
    check("nothing was written", 1, sink_state(sink.get()).writes);
    check("the last Release", 0, stream.release());
}

void stream_one_overlapped_for_two()
{
    Handle sink(sink_open(SINK_DIRECT, 2));
    Com<IStreamAsync> stream;
    Operation operation;
    ULONG count = 0;

    KswStreamOfHandle(sink.get(), stream.put());
    check_hr("the first pends", HR(ERROR_IO_PENDING), stream->WriteAsync(bytes, 100, nullptr, &operation));
    check_hr("the second is refused", E_INVALIDARG, stream->WriteAsync(bytes, 200, nullptr, &operation));
    check("the sink has the first", 1, sink_release(sink.get()));
    check_hr("its result", S_OK, result(stream.get(), operation, &count));
    check("is the first one's", 100, count);
    check("the last Release", 0, stream.release());
}

// A buffer that goes on where no memory is.
void stream_buffer_beyond_its_end()
{
    Handle sink(sink_open(SINK_BUFFERED, 0));
    Com<IStreamAsync> stream;
    Operation operation;
    ULONG count = 0;
    BYTE *pages = static_cast<BYTE *>(VirtualAlloc(nullptr, 8192, MEM_RESERVE, PAGE_NOACCESS));
    VirtualAlloc(pages, 4096, MEM_COMMIT, PAGE_READWRITE);

    KswStreamOfHandle(sink.get(), stream.put());
    HRESULT begun = stream->WriteAsync(pages + 4096 - 100, 100, nullptr, &operation);
    check("up to the last byte", TRUE, begun == S_OK || begun == HR(ERROR_IO_PENDING));
    check_hr("its result", S_OK, result(stream.get(), operation, &count));
    // Windows says ERROR_NOACCESS, and Wine other things.
    begun = stream->WriteAsync(pages + 4096 - 100, 101, nullptr, &operation);
    check("one byte more is an error", TRUE, FAILED(begun) && begun != HR(ERROR_IO_PENDING));
    begun = stream->WriteAsync(pages, 0xFFFFFFFF, nullptr, &operation);
    check("so is as long as can be", TRUE, FAILED(begun) && begun != HR(ERROR_IO_PENDING));
    check("the sink saw the first", 1, sink_state(sink.get()).writes);
    check("the last Release", 0, stream.release());
    VirtualFree(pages, 0, MEM_RELEASE);
}

void stream_to_a_closed_peer()
{
    Handle sink(sink_open(SINK_DIRECT, 0));
    Com<IStreamAsync> stream;
    Operation operation;
    ULONG count = 0;

    KswStreamOfHandle(sink.get(), stream.put());
    sink_script(sink.get(), 0, PIPE_BROKEN);
    HRESULT begun = stream->WriteAsync(bytes, 100, nullptr, &operation);
    if (begun == HR(ERROR_IO_PENDING))
        begun = result(stream.get(), operation, &count);
    check_hr("fails as the device says", HR(ERROR_BROKEN_PIPE), begun);
    check("the last Release", 0, stream.release());
}

void channel_open()
{
    void *channel = bytes;
    void *room[2] = {};
    Callback callback;
    KSW_TRAFFIC traffic[2];

    check_hr("no path", E_POINTER, KswOpenChannel(nullptr, KSW_MEMORY, &callback, &channel));
    check("gives NULL", 0, reinterpret_cast<ULONG_PTR>(channel));
    check_hr("nowhere to put it", E_POINTER, KswOpenChannel(SINK_DIRECT, KSW_MEMORY, &callback, nullptr));
    check_hr("to a misaligned place", E_POINTER, KswOpenChannel(SINK_DIRECT, KSW_MEMORY, &callback, misaligned(room)));
    check_hr("a misaligned callback", E_POINTER,
             KswOpenChannel(SINK_DIRECT, KSW_MEMORY, misaligned(&callback), &channel));
    check_hr("no such device", HR(ERROR_FILE_NOT_FOUND),
             KswOpenChannel(L"\\\\.\\KsSinkNone", KSW_MEMORY, &callback, &channel));
    check_hr("no handle", E_HANDLE, KswChannelOfHandle(nullptr, KSW_MEMORY, &callback, &channel));
    check("OnClose is not called", 0, callback.closes);
    check("the callback is released", 1, callback.references);

    Handle sink(sink_open(SINK_DIRECT, 0));
    Com<IWTSVirtualChannel> first;
    check_hr("a handle", S_OK, KswChannelOfHandle(sink.get(), KSW_MEMORY, nullptr, first.put()));
    check_hr("a handle that has a channel", HR(ERROR_INVALID_PARAMETER),
             KswChannelOfHandle(sink.get(), KSW_MEMORY, &callback, &channel));
    check("the callback is released", 1, callback.references);

    check_hr("traffic of no channel", E_POINTER, KswChannelTraffic(nullptr, traffic));
    check_hr("of a misaligned one", E_POINTER, KswChannelTraffic(misaligned(bytes), traffic));
    check_hr("of another object", E_NOINTERFACE, KswChannelTraffic(&callback, traffic));
    check_hr("to nowhere", E_POINTER, KswChannelTraffic(first.get(), nullptr));
    check_hr("to a misaligned place", E_POINTER, KswChannelTraffic(first.get(), misaligned(traffic)));
    check_hr("flush of another object", E_NOINTERFACE, KswChannelFlush(&callback));
    check_hr("delivery of another object", E_NOINTERFACE, KswChannelDeliver(&callback, "x", 1));
    check_hr("delivery of nothing", E_POINTER, KswChannelDeliver(first.get(), nullptr, 1));
    check("the other object is released", 1, callback.references);
    check("the last Release", 0, first.release());
}

void channel_arguments()
{
    Handle sink(sink_open(SINK_DIRECT, 0));
    Callback callback;
    Com<IWTSVirtualChannel> channel;
    KSW_TRAFFIC traffic;

    KswChannelOfHandle(sink.get(), 1000, &callback, channel.put());
    check_hr("no buffer", E_POINTER, channel->Write(10, nullptr, nullptr));
    check_hr("something reserved", E_INVALIDARG, channel->Write(10, bytes, channel.get()));
    check_hr("longer than the bound", HR(ERROR_INVALID_USER_BUFFER), channel->Write(993, bytes, nullptr));
    check_hr("as long as can be", HR(ERROR_INVALID_USER_BUFFER), channel->Write(0xFFFFFFFF, bytes, nullptr));
    check_hr("as long as the bound", S_OK, channel->Write(992, bytes, nullptr));
    check_hr("all is written", S_OK, KswChannelFlush(channel.get()));
    check_hr("no bytes", S_OK, channel->Write(0, nullptr, nullptr));
    check_hr("all is written", S_OK, KswChannelFlush(channel.get()));
    KswChannelTraffic(channel.get(), &traffic);
    check("two were sent", 2, traffic.sent);
    check("the sink has them, with two headers", 992 + 2 * 8, sink_state(sink.get()).bytes);
    check_hr("QueryInterface to nowhere", E_POINTER, channel->QueryInterface(__uuidof(IUnknown), nullptr));
    check("the last Release", 0, channel.release());
    check("OnClose once", 1, callback.closes);
    check("the callback is released", 1, callback.references);
}

void channel_to_a_closed_peer()
{
    Handle sink(sink_open(SINK_DIRECT, 1));
    Callback callback;
    Com<IWTSVirtualChannel> channel;

    KswChannelOfHandle(sink.get(), KSW_MEMORY, &callback, channel.put());
    sink_script(sink.get(), 1, PIPE_BROKEN);
    check_hr("Write", S_OK, channel->Write(100, bytes, nullptr));
    check_hr("fails as the device says", HR(ERROR_BROKEN_PIPE), KswChannelFlush(channel.get()));
    // The callback is told by another thread.
    for (int patience = 1000; patience > 0 && callback.references != 1; patience--)
        Sleep(10);
    check("the callback is released", 1, callback.references);
    check("OnClose once", 1, callback.closes);
    check_hr("Write afterwards", HR(ERROR_INVALID_STATE), channel->Write(100, bytes, nullptr));
    check_hr("Close afterwards", HR(ERROR_INVALID_STATE), channel->Close());
    check("the last Release", 0, channel.release());
    check("OnClose once all the same", 1, callback.closes);
}

// Takes what memory the process may have, but for some blocks, until the end of the scope. The process must be limited: by
// itself on Windows; in Wine, which does not limit, by `prlimit --data=1073741824`.
class NoMemory {
public:
    static constexpr SIZE_T LIMIT = SIZE_T{1} << 30;
    static constexpr SIZE_T BLOCK = SIZE_T{16} << 20;

    explicit NoMemory(unsigned left)
    {
        HANDLE job = CreateJobObjectW(nullptr, nullptr);
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {};
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        limits.ProcessMemoryLimit = LIMIT;
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
        AssignProcessToJobObject(job, GetCurrentProcess());
        CloseHandle(job);
        while (blocks.size() * BLOCK < 2 * LIMIT) {
            void *block = VirtualAlloc(nullptr, BLOCK, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
            if (block == nullptr) {
                is_limited = true;
                break;
            }
            blocks.push_back(block);
        }
        for (; left > 0 && !blocks.empty(); left--) {
            VirtualFree(blocks.back(), 0, MEM_RELEASE);
            blocks.pop_back();
        }
    }
    ~NoMemory()
    {
        for (void *block : blocks)
            VirtualFree(block, 0, MEM_RELEASE);
    }
    NoMemory(const NoMemory &) = delete;
    NoMemory &operator=(const NoMemory &) = delete;

    bool is_limited = false;

private:
    std::vector<void *> blocks;
};

void out_of_memory()
{
    constexpr ULONG LARGE = 64 << 20;
    Handle sink(sink_open(SINK_DIRECT, 0));
    Callback callback;
    Com<IWTSVirtualChannel> channel;
    Com<IStreamAsync> stream;
    std::vector<BYTE> large(LARGE);
    char name[] = "memory";
    ULONG written = 77;
    KSW_TRAFFIC traffic;

    KswChannelOfHandle(sink.get(), KSW_MEMORY, &callback, channel.put());
    KswSetChannelDevice(SINK_DIRECT);
    HANDLE wts = KswVirtualChannelOpen(nullptr, WTS_CURRENT_SESSION, name);
    KswOpenStream(SINK_DIRECT, stream.put());
    {
        NoMemory held(1);
        check("the process is limited", TRUE, held.is_limited);
        check_hr("a channel's copy", E_OUTOFMEMORY, channel->Write(LARGE, large.data(), nullptr));
        check_call("a WTS channel's chunks", ERROR_NOT_ENOUGH_MEMORY,
                   KswVirtualChannelWrite(wts, reinterpret_cast<PCHAR>(large.data()), LARGE, &written));
        check_hr("a stream's copy", E_OUTOFMEMORY, stream->Write(large.data(), LARGE, &written));
        check_hr("what a stream reads", E_OUTOFMEMORY, stream->Read(large.data(), LARGE, &written));
    }
    {
        // Enough for one copy.
        NoMemory held(6);
        check_call("a WTS channel's second copy", ERROR_NOT_ENOUGH_MEMORY,
                   KswVirtualChannelWrite(wts, reinterpret_cast<PCHAR>(large.data()), LARGE, &written));
    }
    check("wrote nothing", 0, written);
    KswChannelTraffic(channel.get(), &traffic);
    check("one was refused", 1, traffic.refused);
    check("nothing waits", 0, traffic.messages + traffic.bytes);
    check_hr("with memory it goes on", S_OK, channel->Write(100, bytes, nullptr));
    check_hr("and is written", S_OK, KswChannelFlush(channel.get()));
    check("the sink has that alone", 108, sink_state(sink.get()).bytes);
    check_call("so does the WTS channel", 0, KswVirtualChannelWrite(wts, reinterpret_cast<PCHAR>(bytes), 10, &written));
    check_hr("so does the stream", S_OK, stream->Write(bytes, 10, &written));
    check_call("Close", 0, KswVirtualChannelClose(wts));
    check("the last Release", 0, channel.release());
    check("the last Release of the stream", 0, stream.release());
}

// A channel that must not open; one that does is closed again.
void refused(const char *what, DWORD error, const std::string *name, DWORD flags = 0, DWORD session = WTS_CURRENT_SESSION)
{
    std::string writable = name == nullptr ? "" : *name;
    HANDLE channel = KswVirtualChannelOpenEx(session, name == nullptr ? nullptr : &writable[0], flags);
    check_call(what, error, channel != nullptr);
    if (channel != nullptr)
        KswVirtualChannelClose(channel);
}

void wts_names()
{
    constexpr DWORD DYNAMIC = 1;
    const std::string none, seven(7, 'n'), eight(8, 'n'), path(259, 'n'), longer(260, 'n'), good("good"), bell("be\a");

    KswSetChannelDevice(SINK_NEITHER);
    refused("no name", ERROR_INVALID_PARAMETER, nullptr);
    refused("a name of 0 characters", ERROR_INVALID_PARAMETER, &none);
    refused("a name of 7 characters", 0, &seven);
    refused("a name of 8 characters", ERROR_INVALID_PARAMETER, &eight);
    refused("a name that cannot be printed", ERROR_INVALID_PARAMETER, &bell);
    refused("a dynamic name of 8 characters", 0, &eight, DYNAMIC);
    refused("a dynamic name of 259 characters", 0, &path, DYNAMIC);
    refused("a dynamic name of 260 characters", ERROR_INVALID_PARAMETER, &longer, DYNAMIC);
    refused("a priority without DYNAMIC", ERROR_INVALID_PARAMETER, &good, 2);
    refused("an unknown flag", ERROR_INVALID_PARAMETER, &good, DYNAMIC | 0x10000);
    refused("another session", ERROR_ACCESS_DENIED, &good, 0, 7);

    char name[] = "twice";
    int server = 0;
    check_call("another server", ERROR_INVALID_HANDLE,
               KswVirtualChannelOpen(&server, WTS_CURRENT_SESSION, name) != nullptr);
    HANDLE channel = KswVirtualChannelOpen(nullptr, WTS_CURRENT_SESSION, name);
    check_call("one", 0, channel != nullptr);
    check_call("another of the same name", ERROR_ALREADY_EXISTS,
               KswVirtualChannelOpen(nullptr, WTS_CURRENT_SESSION, name) != nullptr);
    check_call("Close", 0, KswVirtualChannelClose(channel));
    check_call("no device", ERROR_INVALID_PARAMETER, KswSetChannelDevice(nullptr));
    KswSetChannelDevice(L"\\\\.\\KsSinkNone");
    refused("no such device", ERROR_FILE_NOT_FOUND, &good);
    KswSetChannelDevice(SINK_DIRECT);
}

void wts_arguments()
{
    char name[] = "wrong", into[1600], *text = reinterpret_cast<PCHAR>(bytes);
    ULONG count = 77, counts[2] = {};
    void *given = bytes;
    DWORD size = 77;

    HANDLE channel = KswVirtualChannelOpen(nullptr, WTS_CURRENT_SESSION, name);
    check_call("opens", 0, channel != nullptr);
    check_call("Write without a buffer", ERROR_INVALID_PARAMETER, KswVirtualChannelWrite(channel, nullptr, 10, &count));
    check("wrote nothing", 0, count);
    check_call("without a count", ERROR_INVALID_PARAMETER, KswVirtualChannelWrite(channel, text, 10, nullptr));
    check_call("with a misaligned count", ERROR_INVALID_PARAMETER,
               KswVirtualChannelWrite(channel, text, 10, misaligned(counts)));
    check_call("Read without a buffer", ERROR_INVALID_PARAMETER, KswVirtualChannelRead(channel, 0, nullptr, 1600, &count));
    check_call("without a count", ERROR_INVALID_PARAMETER, KswVirtualChannelRead(channel, 0, into, 1600, nullptr));
    check_call("to less than a chunk", ERROR_INSUFFICIENT_BUFFER, KswVirtualChannelRead(channel, 0, into, 1599, &count));
    check_call("when nothing is there", ERROR_IO_INCOMPLETE, KswVirtualChannelRead(channel, 0, into, 1600, &count));
    check_call("zero bytes are a message", 0, KswVirtualChannelWrite(channel, nullptr, 0, &count));
    check_call("which is read", 0, KswVirtualChannelRead(channel, 0, into, 1600, &count));
    check("as zero bytes", 0, count);

    check_call("Query of what it has not", ERROR_INVALID_PARAMETER,
               KswVirtualChannelQuery(channel, WTSVirtualClientData, &given, &size));
    check("gives NULL", 0, reinterpret_cast<ULONG_PTR>(given));
    check_call("Query to nowhere", ERROR_INVALID_PARAMETER,
               KswVirtualChannelQuery(channel, WTSVirtualFileHandle, nullptr, &size));
    check_call("without a size", ERROR_INVALID_PARAMETER,
               KswVirtualChannelQuery(channel, WTSVirtualFileHandle, &given, nullptr));
    check_call("Query", 0, KswVirtualChannelQuery(channel, WTSVirtualFileHandle, &given, &size));
    KswFreeMemory(nullptr);
    KswFreeMemory(bytes);
    KswFreeMemory(given);
    KswFreeMemory(given);
    check_call("the channel is open after strange frees", 0, KswVirtualChannelWrite(channel, text, 10, &count));

    HANDLE wrong[] = {nullptr, INVALID_HANDLE_VALUE, bytes, static_cast<BYTE *>(channel) + 1};
    for (HANDLE handle : wrong) {
        check_call("Write to a wrong handle", ERROR_INVALID_HANDLE, KswVirtualChannelWrite(handle, text, 10, &count));
        check_call("Read", ERROR_INVALID_HANDLE, KswVirtualChannelRead(handle, 0, into, 1600, &count));
        check_call("Query", ERROR_INVALID_HANDLE, KswVirtualChannelQuery(handle, WTSVirtualFileHandle, &given, &size));
        check_call("PurgeInput", ERROR_INVALID_HANDLE, KswVirtualChannelPurgeInput(handle));
        check_call("PurgeOutput", ERROR_INVALID_HANDLE, KswVirtualChannelPurgeOutput(handle));
        check_call("Close", ERROR_INVALID_HANDLE, KswVirtualChannelClose(handle));
    }
    check_call("Close of the right one", 0, KswVirtualChannelClose(channel));
    HANDLE next = KswVirtualChannelOpen(nullptr, WTS_CURRENT_SESSION, name);
    check_call("another with its name", 0, next != nullptr);
    check_call("is not reached by the old handle", ERROR_INVALID_HANDLE, KswVirtualChannelWrite(channel, text, 10, &count));
    check_call("Close", 0, KswVirtualChannelClose(next));
}

} // namespace

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    check_run("stream_open", stream_open);
    check_run("stream_arguments", stream_arguments);
    check_run("stream_one_overlapped_for_two", stream_one_overlapped_for_two);
    check_run("stream_buffer_beyond_its_end", stream_buffer_beyond_its_end);
    check_run("stream_to_a_closed_peer", stream_to_a_closed_peer);
    check_run("channel_open", channel_open);
    check_run("channel_arguments", channel_arguments);
    check_run("channel_to_a_closed_peer", channel_to_a_closed_peer);
    check_run("out_of_memory", out_of_memory);
    check_run("wts_names", wts_names);
    check_run("wts_arguments", wts_arguments);
    return check_end();
}
