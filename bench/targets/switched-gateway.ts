// The gateway, recording nothing until SIGWINCH, everything until the next one, and so on: what recording costs is the difference.
// Run as a process with the gateway’s settings. Not SIGUSR2: that ends the gateway.
import { switchRecording } from './unrecorded.ts'
import '../../src/server.ts'

process.on('SIGWINCH', switchRecording)
