// Takes recording out of the process that imports it: no events, counters, timelines, signals or log lines of events, and no
// meters of routes or of the store. For gateways that others are measured against; never imported by anything else.
import { RouteMeter } from '../plugins/forward/meter.ts'
import { Histogram } from '../plugins/histogram.ts'
import { Usage } from '../plugins/usage.ts'

// Of the classes themselves: whoever records calls these, and so pays for the call and for nothing else.
Usage.prototype.record = () => undefined
RouteMeter.prototype.answered = () => undefined
Histogram.prototype.observe = () => undefined
