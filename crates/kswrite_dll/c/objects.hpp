// What a C++ program wraps the interfaces in: everything is given back by a destructor.
#ifndef OBJECTS_HPP
#define OBJECTS_HPP

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "check.h"
#include "sink.h"
#include <shobjidl.h>
#include <tsvirtualchannels.h>

// A counted reference.
template <class Interface> class Com {
public:
    Com() = default;
    Com(const Com &) = delete;
    Com &operator=(const Com &) = delete;
    ~Com() { release(); }

    // For a function that hands out a reference.
    void **put()
    {
        release();
        return reinterpret_cast<void **>(&pointer);
    }
    // How many references are left.
    ULONG release()
    {
        Interface *given = pointer;
        pointer = nullptr;
        return given == nullptr ? 0 : given->Release();
    }
    Interface *get() const { return pointer; }
    Interface *operator->() const { return pointer; }

private:
    Interface *pointer = nullptr;
};

// A handle.
class Handle {
public:
    explicit Handle(HANDLE handle) : handle(handle) {}
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { CloseHandle(handle); }
    HANDLE get() const { return handle; }

private:
    HANDLE handle;
};

// An OVERLAPPED with its event. It stays where it is: the system knows its address.
class Operation : public OVERLAPPED {
public:
    explicit Operation(ULONG offset = 0) : OVERLAPPED(), event(CreateEventW(nullptr, TRUE, FALSE, nullptr))
    {
        Offset = offset;
        hEvent = event.get();
    }

private:
    Handle event;
};

// The result of an operation, which it waits for.
inline HRESULT result(IStreamAsync *stream, Operation &operation, ULONG *count)
{
    return stream->OverlappedResult(&operation, count, TRUE);
}

// A thread that runs a function; its end is waited for.
class Thread {
public:
    explicit Thread(std::function<void()> run)
        : run(std::move(run)), thread(CreateThread(nullptr, 0, start, this, 0, nullptr))
    {
    }
    ~Thread() { WaitForSingleObject(thread.get(), INFINITE); }

private:
    static DWORD WINAPI start(void *self)
    {
        static_cast<Thread *>(self)->run();
        return 0;
    }

    std::function<void()> run;
    Handle thread;
};

// Runs a function in several threads at once, each with its number, to their end.
inline void in_threads(unsigned count, const std::function<void(unsigned)> &run)
{
    std::vector<std::unique_ptr<Thread>> threads;
    for (unsigned number = 0; number < count; number++)
        threads.push_back(std::make_unique<Thread>([&run, number] { run(number); }));
}

// A channel's callback. Its owner holds the first reference, and it lives where its owner has it.
class Callback : public IWTSVirtualChannelCallback {
public:
    Callback() = default;
    virtual ~Callback() = default;

    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID id, void **given) override
    {
        if (id == __uuidof(IUnknown) || id == __uuidof(IWTSVirtualChannelCallback)) {
            *given = static_cast<IWTSVirtualChannelCallback *>(this);
            AddRef();
            return S_OK;
        }
        *given = nullptr;
        return E_NOINTERFACE;
    }
    ULONG STDMETHODCALLTYPE AddRef() override { return ++references; }
    ULONG STDMETHODCALLTYPE Release() override { return --references; }
    HRESULT STDMETHODCALLTYPE OnDataReceived(ULONG size, BYTE *bytes) override
    {
        received++;
        if (on_data)
            on_data(size, bytes);
        return S_OK;
    }
    HRESULT STDMETHODCALLTYPE OnClose() override
    {
        closes++;
        return S_OK;
    }

    std::function<void(ULONG, BYTE *)> on_data;
    std::atomic<ULONG> references{1};
    std::atomic<ULONG> received{0};
    std::atomic<ULONG> closes{0};
};

#endif
