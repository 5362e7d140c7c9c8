// Streams and events. A stream is a queue of work that is done when somebody waits for it.
//
// The null stream is CUDA's legacy one: its work waits for what the other streams hold, non-blocking ones excepted, and
// is done at once.
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "driver.h"

using cuda_on_cpu::fail;

struct CUstream_st {
    std::deque<std::function<CUresult()>> work;
    bool blocking;
};

namespace cuda_on_cpu {
namespace {

std::set<CUstream> streams;

// An event may be destroyed while a stream still waits for it, so that queues share its state.
struct EventState {
    CUstream stream = nullptr;             // where it was recorded last
    unsigned recorded = 0, completed = 0;  // how often
    std::chrono::steady_clock::time_point time;
    bool timed;
};
std::map<CUevent, std::shared_ptr<EventState>> events;

bool is_null(CUstream stream) { return !stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD; }

CUresult finish_blocking_streams() {
    CUresult result = CUDA_SUCCESS;
    for (const CUstream stream : streams)
        if (stream->blocking)
            if (const CUresult r = finish_stream(stream); r != CUDA_SUCCESS) result = r;
    return result;
}

CUresult do_next(CUstream stream) {
    const std::function<CUresult()> next = std::move(stream->work.front());
    stream->work.pop_front();
    const CUresult result = next();
    if (result != CUDA_SUCCESS) stream->work.clear();  // a device would do no more either
    return result;
}

// Does the work of the stream up to the event's n-th record. Work only ever waits for work submitted before it.
CUresult complete(const EventState &event, CUstream stream, unsigned n) {
    while (event.completed < n && streams.count(stream) && !stream->work.empty()) TRY(do_next(stream));
    return CUDA_SUCCESS;
}

CUresult find(CUevent handle, std::shared_ptr<EventState> &event) {
    const auto found = events.find(handle);
    if (found == events.end()) return fail(CUDA_ERROR_INVALID_HANDLE, "no such event");
    event = found->second;
    return CUDA_SUCCESS;
}

}  // namespace

CUresult finish_stream(CUstream stream) {
    if (is_null(stream)) return finish_blocking_streams();
    if (!streams.count(stream)) return fail(CUDA_ERROR_INVALID_HANDLE, "no such stream");
    while (!stream->work.empty()) TRY(do_next(stream));
    return CUDA_SUCCESS;
}

CUresult finish_all_streams() {
    CUresult result = CUDA_SUCCESS;
    for (const CUstream stream : streams)
        if (const CUresult r = finish_stream(stream); r != CUDA_SUCCESS) result = r;
    return result;
}

CUresult submit(CUstream stream, std::function<CUresult()> work) {
    if (is_null(stream)) {
        TRY(finish_blocking_streams());
        return work();
    }
    if (!streams.count(stream)) return fail(CUDA_ERROR_INVALID_HANDLE, "no such stream");
    stream->work.push_back(std::move(work));
    return CUDA_SUCCESS;
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

ENTRY cuStreamCreate(CUstream *stream, unsigned flags) {
    ENTER;
    *stream = new CUstream_st{{}, !(flags & CU_STREAM_NON_BLOCKING)};
    streams.insert(*stream);
    return CUDA_SUCCESS;
}

ENTRY cuStreamDestroy_v2(CUstream stream) {
    ENTER;
    const CUresult result = finish_stream(stream);
    if (streams.erase(stream)) delete stream;
    return result;
}

ENTRY cuStreamSynchronize(CUstream stream) {
    ENTER;
    return finish_stream(stream);
}

// Whoever asks in a loop must see an end of it: the work is done now.
ENTRY cuStreamQuery(CUstream stream) { return cuStreamSynchronize(stream); }

ENTRY cuStreamWaitEvent(CUstream stream, CUevent handle, unsigned) {
    ENTER;
    std::shared_ptr<EventState> event;
    TRY(find(handle, event));
    return submit(stream, [event, on = event->stream, n = event->recorded] { return complete(*event, on, n); });
}

ENTRY cuEventCreate(CUevent *handle, unsigned flags) {
    ENTER;
    static uintptr_t last = 0x10000;
    *handle = reinterpret_cast<CUevent>(last += 16);
    events[*handle] = std::make_shared<EventState>();
    events[*handle]->timed = !(flags & CU_EVENT_DISABLE_TIMING);
    return CUDA_SUCCESS;
}

ENTRY cuEventDestroy_v2(CUevent handle) {
    ENTER;
    return events.erase(handle) ? CUDA_SUCCESS : fail(CUDA_ERROR_INVALID_HANDLE, "no such event");
}

ENTRY cuEventRecord(CUevent handle, CUstream stream) {
    ENTER;
    std::shared_ptr<EventState> event;
    TRY(find(handle, event));
    event->stream = stream;
    return submit(stream, [event, n = ++event->recorded] {
        event->completed = n;
        event->time = std::chrono::steady_clock::now();
        return CUDA_SUCCESS;
    });
}

ENTRY cuEventSynchronize(CUevent handle) {
    ENTER;
    std::shared_ptr<EventState> event;
    TRY(find(handle, event));
    return complete(*event, event->stream, event->recorded);
}

ENTRY cuEventQuery(CUevent handle) { return cuEventSynchronize(handle); }

ENTRY cuEventElapsedTime_v2(float *milliseconds, CUevent begin, CUevent end) {
    ENTER;
    std::shared_ptr<EventState> first, second;
    TRY(find(begin, first));
    TRY(find(end, second));
    for (const auto &event : {first, second}) {
        if (!event->timed || !event->recorded)
            return fail(CUDA_ERROR_INVALID_HANDLE, "not recorded, or without timing");
        if (event->completed < event->recorded) return fail(CUDA_ERROR_NOT_READY, "nobody has waited for the event");
    }
    *milliseconds = std::chrono::duration<float, std::milli>(second->time - first->time).count();
    return CUDA_SUCCESS;
}

#undef cuEventElapsedTime  // what a PyCUDA built with CUDA 12's headers asks for
ENTRY cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
    return cuEventElapsedTime_v2(milliseconds, begin, end);
}
