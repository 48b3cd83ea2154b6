// The gateway without any recording: what recording costs is measured against it. Run as a process with the gateway's knobs.
import './unrecorded.ts'
import '../src/server.ts'
