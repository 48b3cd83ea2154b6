// Takes recording out of the process that imports it: no events, counters, timelines, signals or log lines of events, and no
// meters of routes or of the store, no access log; until it is switched on. For gateways that others, or they themselves, are measured against.

import { AccessLog } from '../../plugins/access-log/index.ts'
import { Audit } from '../../plugins/audit/index.ts'
import { RouteMeter } from '../../plugins/forward/route/meter.ts'
import { Histogram } from '../../plugins/metrics/histogram.ts'

let isRecording = false

// Of the classes themselves: whoever records calls these, and pays for the call and for nothing else.
Audit.prototype.record = switched(Audit.prototype.record)
RouteMeter.prototype.began = switched(RouteMeter.prototype.began)
RouteMeter.prototype.ended = switched(RouteMeter.prototype.ended)
AccessLog.prototype.begin = switched(AccessLog.prototype.begin)
Histogram.prototype.observe = switched(Histogram.prototype.observe)

/** Records from now on, or not any more. */
export function switchRecording(): void {
  isRecording = !isRecording
}

// Replacing the method anew would throw away what was compiled for it, and a list of arguments would be paid for by what records.
function switched<Method extends (this: never, one: never, other: never) => void>(method: Method): Method {
  const whenRecording = function (this: never, one: never, other: never): void {
    if (isRecording) method.call(this, one, other)
  }
  // Boundary: what takes up to two arguments and gives nothing back, as all of them do.
  return whenRecording as Method
}
