// kswrite_client.dll from C++, by several threads: a stream, a dynamic channel with its callback, and a program that was
// written for WTSVirtualChannel*.
//
//     x86_64-w64-mingw32-g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -static write.cpp libkswrite_client.dll.a -luuid -o write_cpp.exe
#include <algorithm>

#include "objects.hpp"
#include <pchannel.h>
#include <wtsapi32.h>
#define KSWRITE_REPLACE_WTSAPI
#include "kswrite_client.h"

#define HR(error) HRESULT_FROM_WIN32(error)

#ifndef WTS_CHANNEL_OPTION_DYNAMIC
#define WTS_CHANNEL_OPTION_DYNAMIC 0x00000001
#endif

namespace {

constexpr unsigned THREADS = 4;

// Bytes that tell by whom they were written, as which of its messages.
std::vector<BYTE> message(unsigned thread, unsigned number, size_t length)
{
    std::vector<BYTE> bytes(length, static_cast<BYTE>(thread * 64 + number));
    if (length >= 2) {
        bytes[0] = static_cast<BYTE>(thread);
        bytes[1] = static_cast<BYTE>(number);
    }
    return bytes;
}

// Puts chunks behind their headers together again, and counts what they make: messages that are as `message` made them,
// and of each thread in its order.
class Peer {
public:
    // A chunk with its header; how many bytes of `wire` it is, or 0 if it is none.
    size_t take(const BYTE *wire, size_t length)
    {
        CHANNEL_PDU_HEADER header;
        if (length < sizeof header)
            return 0;
        memcpy(&header, wire, sizeof header);
        bool first = (header.flags & CHANNEL_FLAG_FIRST) != 0;
        if (first != whole.empty() || header.length == 0)
            return 0;
        size_t here = std::min<size_t>(header.length - whole.size(), CHANNEL_CHUNK_LENGTH);
        if (length < sizeof header + here)
            return 0;
        whole.insert(whole.end(), wire + sizeof header, wire + sizeof header + here);
        if ((header.flags & CHANNEL_FLAG_LAST) != 0) {
            complete(header.length);
            whole.clear();
        }
        return sizeof header + here;
    }

    unsigned messages = 0;
    unsigned wrong = 0;

private:
    void complete(size_t length)
    {
        unsigned thread = whole[0] % THREADS, number = whole[1];
        if (whole.size() != length || number != next[thread] || whole != message(thread, number, length))
            wrong++;
        next[thread] = number + 1;
        messages++;
    }

    std::vector<BYTE> whole;
    unsigned next[THREADS] = {};
};

void stream_threads()
{
    constexpr unsigned EACH = 32;
    constexpr ULONG LENGTH = 512;
    Com<IStreamAsync> stream;
    std::atomic<unsigned> good{0};

    check_hr("opens", S_OK, KswOpenStream(SINK_DIRECT, stream.put()));
    in_threads(THREADS, [&](unsigned thread) {
        for (unsigned number = 0; number < EACH; number++) {
            std::vector<BYTE> bytes = message(thread, number, LENGTH);
            Operation operation((thread * EACH + number) * LENGTH);
            ULONG written = 0;
            HRESULT begun = stream->WriteAsync(bytes.data(), LENGTH, nullptr, &operation);
            if ((begun == S_OK || begun == HR(ERROR_IO_PENDING)) && result(stream.get(), operation, &written) == S_OK)
                good += written == LENGTH;
        }
    });
    check("every write wrote all", THREADS * EACH, good);
    good = 0;
    for (unsigned index = 0; index < THREADS * EACH; index++) {
        std::vector<BYTE> bytes(LENGTH);
        Operation operation(index * LENGTH);
        ULONG read = 0;
        stream->ReadAsync(bytes.data(), LENGTH, nullptr, &operation);
        result(stream.get(), operation, &read);
        good += read == LENGTH && bytes == message(index / EACH, index % EACH, LENGTH);
    }
    check("every byte is where it was written to", THREADS * EACH, good);
    check("the last Release", 0, stream.release());
}

void stream_cancelled_by_another_thread()
{
    Handle sink(sink_open(SINK_BUFFERED, 2));
    Com<IStreamAsync> stream;
    BYTE bytes[100] = {};
    Operation operation;
    ULONG written = 0;

    KswStreamOfHandle(sink.get(), stream.put());
    check_hr("the write pends", HR(ERROR_IO_PENDING), stream->WriteAsync(bytes, sizeof bytes, nullptr, &operation));
    HRESULT asked = E_FAIL;
    {
        Thread other([&] { asked = stream->CancelIo(); });
    }
    check_hr("CancelIo", S_OK, asked);
    check_hr("the write is cancelled", HR(ERROR_OPERATION_ABORTED), result(stream.get(), operation, &written));
    check("the last Release", 0, stream.release());
}

void channel_threads()
{
    constexpr unsigned EACH = 60;
    Handle sink(sink_open(SINK_DIRECT, 0));
    Callback callback;
    Com<IWTSVirtualChannel> channel;
    std::atomic<unsigned> taken{0};

    check_hr("opens", S_OK, KswChannelOfHandle(sink.get(), KSW_MEMORY, &callback, channel.put()));
    in_threads(THREADS, [&](unsigned thread) {
        for (unsigned number = 0; number < EACH; number++) {
            std::vector<BYTE> bytes = message(thread, number, 2 + number * 67);
            taken += channel->Write(static_cast<ULONG>(bytes.size()), bytes.data(), nullptr) == S_OK;
        }
    });
    check("every message is taken", THREADS * EACH, taken);
    check_hr("all are written", S_OK, KswChannelFlush(channel.get()));

    SINK_STATE state = sink_state(sink.get());
    std::vector<BYTE> wire(static_cast<size_t>(state.bytes));
    check("the sink has them", state.bytes, sink_read(sink.get(), 0, wire.data(), static_cast<DWORD>(wire.size())));
    Peer peer;
    size_t at = 0, chunk = 0;
    while ((chunk = peer.take(wire.data() + at, wire.size() - at)) != 0)
        at += chunk;
    check("to the last chunk", wire.size(), at);
    check("every message", THREADS * EACH, peer.messages);
    check("whole and in the order of its thread", 0, peer.wrong);
    check("the last Release", 0, channel.release());
    check("OnClose once", 1, callback.closes);
    check("the callback is released", 1, callback.references);
}

void channel_closed_by_all()
{
    Handle sink(sink_open(SINK_DIRECT, 2));
    Callback callback;
    Com<IWTSVirtualChannel> channel;
    BYTE bytes[100] = {};
    std::atomic<unsigned> closed{0}, late{0};

    KswChannelOfHandle(sink.get(), KSW_MEMORY, &callback, channel.put());
    for (int i = 0; i < 10; i++)
        channel->Write(sizeof bytes, bytes, nullptr);
    in_threads(THREADS, [&](unsigned) {
        HRESULT seen = channel->Close();
        closed += seen == S_OK;
        late += seen == HR(ERROR_INVALID_STATE);
    });
    check("one Close of four", 1, closed);
    check("the others come late", THREADS - 1, late);
    check("OnClose once", 1, callback.closes);
    check_hr("nothing is left on the way", S_OK, KswChannelFlush(channel.get()));
    KSW_TRAFFIC traffic;
    KswChannelTraffic(channel.get(), &traffic);
    check("none was sent", 0, traffic.sent);
    check("all were dropped", 10, traffic.dropped);
    check("the last Release", 0, channel.release());
    check("the callback is released", 1, callback.references);
    check("the sink had the first, cancelled", 1, sink_state(sink.get()).cancelled);
}

void channel_closed_by_its_callback()
{
    Callback callback;
    Com<IWTSVirtualChannel> channel;
    HRESULT closed = E_FAIL, written = E_FAIL;

    check_hr("opens by its path", S_OK, KswOpenChannel(SINK_NEITHER, KSW_MEMORY, &callback, channel.put()));
    callback.on_data = [&](ULONG size, BYTE *bytes) {
        written = channel->Write(size, bytes, nullptr);
        closed = channel->Close();
    };
    {
        Thread peer([&] { KswChannelDeliver(channel.get(), "stop", 4); });
    }
    check("OnDataReceived", 1, callback.received);
    check_hr("Write in it", S_OK, written);
    check_hr("Close in it", S_OK, closed);
    check("OnClose once", 1, callback.closes);
    check_hr("nothing more is received", HR(ERROR_INVALID_STATE), KswChannelDeliver(channel.get(), "more", 4));
    check("the last Release", 0, channel.release());
    check("the callback is released", 1, callback.references);
}

// As it would be for a virtual channel of Windows; the header turns the names into its own.
void wts_threads()
{
    constexpr unsigned EACH = 16;
    char name[] = "Example::Dynamic";
    std::atomic<unsigned> good{0};

    KswSetChannelDevice(SINK_BUFFERED);
    HANDLE channel = WTSVirtualChannelOpenEx(WTS_CURRENT_SESSION, name, WTS_CHANNEL_OPTION_DYNAMIC);
    check_call("opens", 0, channel != nullptr);
    in_threads(THREADS, [&](unsigned thread) {
        for (unsigned number = 0; number < EACH; number++) {
            std::vector<BYTE> bytes = message(thread, number, 4000);
            ULONG written = 0;
            BOOL wrote = WTSVirtualChannelWrite(channel, reinterpret_cast<PCHAR>(bytes.data()), 4000, &written);
            good += wrote && written == 4000;
        }
    });
    check("every write wrote all", THREADS * EACH, good);

    // Each chunk of a dynamic channel comes behind its header.
    Peer peer;
    char chunk[CHANNEL_PDU_LENGTH];
    ULONG read = 0;
    while (WTSVirtualChannelRead(channel, 0, chunk, sizeof chunk, &read))
        if (peer.take(reinterpret_cast<BYTE *>(chunk), read) != read)
            peer.wrong++;
    check("there is no more", ERROR_IO_INCOMPLETE, GetLastError());
    check("every message", THREADS * EACH, peer.messages);
    check("whole and in the order of its thread", 0, peer.wrong);

    // A Read that waits ends when another thread closes the channel.
    {
        Thread other([&] {
            Sleep(50);
            WTSVirtualChannelClose(channel);
        });
        check_call("a Read without a limit ends with Close", ERROR_INVALID_HANDLE,
                   WTSVirtualChannelRead(channel, INFINITE, chunk, sizeof chunk, &read));
    }
    check_call("and the channel is closed", ERROR_INVALID_HANDLE, WTSVirtualChannelClose(channel));
}

} // namespace

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    check_run("stream_threads", stream_threads);
    check_run("stream_cancelled_by_another_thread", stream_cancelled_by_another_thread);
    check_run("channel_threads", channel_threads);
    check_run("channel_closed_by_all", channel_closed_by_all);
    check_run("channel_closed_by_its_callback", channel_closed_by_its_callback);
    check_run("wts_threads", wts_threads);
    return check_end();
}
